-- The first lines of every script, behind its line `#!lua`.
-- The last argument is the shift of the store's clock in ms: 0 in production, other values in tests.
local clock_shift_ms = tonumber(table.remove(ARGV))

-- Return the store's wall clock in whole milliseconds.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000) + clock_shift_ms
end

-- Return what the ledger's scripts return first: the fingerprint key, for how many ms the fleet is in doubt
-- (negative for not), and the id of the replication history. `count`: KEYS begins with the places of the first
-- two, or it is 0, since they are in another part of a cluster.
local function marks(count)
    if count == 0 then
        return '', -1, ''
    end
    local info = redis.call('INFO', 'replication')
    local history = string.match(info, 'master_replid:(%w+)') or ''
    return redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[2]), history
end

