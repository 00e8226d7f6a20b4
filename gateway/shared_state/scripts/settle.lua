#!lua
-- Record how claims of one member have ended.
-- KEYS: the keys of the client tokens.
-- ARGV: member, window in ms, then for each token: fingerprint, number of the call, state ('A' for accepted,
-- 'U' for unknown, 'F' for free again), trace id, dial request id.
-- Returns how many records were changed.
local member, window_ms = ARGV[1], tonumber(ARGV[2])

local function write(key, value)
    redis.call('SET', key, value, 'PX', string.format('%.0f', math.max(window_ms, redis.call('PTTL', key))))
    return 1
end

local function settle(key, fingerprint, number, state, trace_id, dial_request_id)
    local value = redis.pcall('GET', key)
    if type(value) == 'table' then
        value = '' -- not a text, so not ours: overwritten, except by a token that is free again
    end
    if value and string.match(value, '^A %S+ %S* .*$') then
        return 0
    end
    if state == 'A' then
        return write(key, 'A ' .. fingerprint .. ' ' .. trace_id .. ' ' .. dial_request_id)
    end
    local head, in_doubt, rest = nil, nil, nil
    if value then
        head, in_doubt, rest = string.match(value, '^(S %S+ )([01])( %d+ %d+ .*)$')
    end
    local mine = false
    if rest then
        local claim_number, claimed_by = string.match(rest, '^ %d+ (%d+) (.*)$')
        mine = claimed_by == member and claim_number == number
    end
    if state == 'U' then
        if rest and not mine then -- a later claim: its end must not free the token
            return in_doubt == '1' and 0 or write(key, head .. '1' .. rest)
        end
        return write(key, 'U ' .. fingerprint)
    end
    if not mine then
        return 0
    end
    if in_doubt == '1' then
        return write(key, 'U ' .. fingerprint)
    end
    return redis.call('DEL', key)
end

local changed = 0
for index, key in ipairs(KEYS) do
    local place = 5 * index - 2
    changed = changed + settle(key, unpack(ARGV, place, place + 4))
end
return changed
