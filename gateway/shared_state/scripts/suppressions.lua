#!lua
-- Live suppressions: numbers, known by keyed hashes, that no replica may call any more. Texts of operators are
-- never parsed here.
-- KEYS: the newest version, the counters, the table by hash, the hashes by version, the ended ones by version,
-- what members have seen.
-- ARGV of a suppression: 'suppress', the hash, the text (actor, reason), the key of the hash (empty: not compared).
--   Returns {-3} if numbers are hashed with another key, {-1} if too many are suppressed, else {1, value} with the
--   value that the number has now.
-- ARGV of an end: 'end', the hash, the text, when it was asked for in ms, 1 if the replica knows a suppression, the key.
--   Returns {-2} if it arrives too late, {-3} as above, {0} if there is no suppression, else {1, value}.
-- ARGV of an exchange: 'exchange', the member, the version that it has carried out, its cursor, its key of hashes
-- (empty for no proposal),
-- 1 if it knows suppressions, 1 if it asks what members have seen; then, for each suppression that it offers, the
-- hash, its former version or 0, its time in ms, its text.
--   Returns version, time in ms, key, trimmed, page (hash, value, ...), seen (member, version and time, ...).
-- A value is 'version time ended text', where ended is 0 or 1.
local LIMIT, ENDED_KEPT, PAGE = 1000000, 10000, 1000
local END_WITHIN_MS, SEEN_KEPT_MS, SEEN_AGAIN_MS = 2000, 900000, 60000
local newest, counters, numbers, order, ended, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now = now_ms()

local function whole(number)
    return string.format('%.0f', number)
end

local function present()
    return tonumber(redis.call('GET', newest) or 0) or 0
end

local function is_full()
    return redis.call('HLEN', numbers) - redis.call('ZCARD', ended) >= LIMIT
end

-- Return the value of a number, and whether it is suppressed.
local function stored(hash)
    local value = redis.call('HGET', numbers, hash)
    return value, value and not string.match(value, '^%d+ %d+ 1 ')
end

local function trim()
    local oldest = redis.call('ZPOPMIN', ended)
    redis.call('HDEL', numbers, oldest[1])
    redis.call('ZREM', order, oldest[1])
    redis.call('HSET', counters, 'trimmed', whole(tonumber(oldest[2])))
end

local function record(hash, at, has_ended, text)
    local version = whole(math.max(present() + 1, now))
    local value = table.concat({version, whole(at), has_ended, text}, ' ')
    redis.call('SET', newest, version)
    redis.call('HSET', numbers, hash, value)
    redis.call('ZADD', order, version, hash)
    if has_ended == '1' then
        redis.call('ZADD', ended, version, hash)
        while redis.call('ZCARD', ended) > ENDED_KEPT do
            trim()
        end
    else
        redis.call('ZREM', ended, hash)
    end
    return value
end

-- Keep a replica's key if there is none, or if it knows suppressions and nothing is kept under the other key.
local function agree_on_key(key, knows)
    local kept = redis.call('HGET', counters, 'key')
    if key == '' then
        return kept or ''
    end
    if not kept or (kept ~= key and knows == '1' and redis.call('EXISTS', numbers) == 0) then
        redis.call('HSET', counters, 'key', key)
        return key
    end
    return kept
end

-- Whether a hash with a key means nothing to other replicas.
local function is_foreign(key)
    return key ~= '' and agree_on_key(key, '1') ~= key
end

local function suppress(hash, text, key)
    if is_foreign(key) then
        return {-3}
    end
    local value, is_suppressed = stored(hash)
    if is_suppressed then
        return {1, value}
    end
    if is_full() then
        return {-1}
    end
    return {1, record(hash, now, '0', text)}
end

local function finish(hash, text, asked_at, known, key)
    if asked_at > 0 and now - asked_at > END_WITHIN_MS then
        return {-2}
    end
    if is_foreign(key) then
        return {-3}
    end
    local _, is_suppressed = stored(hash)
    if not is_suppressed and known ~= '1' then
        return {0}
    end
    return {1, record(hash, now, '1', text)}
end

local function record_missing(hash, former, at, text)
    local value, is_suppressed = stored(hash)
    if value and (is_suppressed or former > 0) then
        return
    end
    if not is_full() then
        if at == 0 then
            at = now
        end
        record(hash, math.min(at, now), '0', text)
    end
end

local function forget_members()
    local all = redis.call('HGETALL', seen)
    for index = 1, #all, 2 do
        local at = tonumber(string.match(all[index + 1], ' (%d+)$') or 0)
        if now - at >= SEEN_KEPT_MS then
            redis.call('HDEL', seen, all[index])
        end
    end
end

local function note_seen(member, version)
    local before, at = string.match(redis.call('HGET', seen, member) or '', '^(%d+) (%d+)$')
    if tonumber(before) ~= version or now - tonumber(at) >= SEEN_AGAIN_MS then
        forget_members()
        redis.call('HSET', seen, member, whole(version) .. ' ' .. whole(now))
        redis.call('PEXPIRE', seen, 4 * SEEN_KEPT_MS)
    end
end

local function exchange()
    local key = agree_on_key(ARGV[5], ARGV[6])
    if key == ARGV[5] and key ~= '' then
        for index = 8, #ARGV, 4 do
            record_missing(ARGV[index], tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]), ARGV[index + 3])
        end
    end
    note_seen(ARGV[2], tonumber(ARGV[3]))
    local trimmed = tonumber(redis.call('HGET', counters, 'trimmed') or 0) or 0
    local reply = {present(), now, key, trimmed, {}, {}}
    local hashes = redis.call('ZRANGEBYSCORE', order, '(' .. ARGV[4], '+inf', 'LIMIT', 0, PAGE)
    if #hashes > 0 then
        local values = redis.call('HMGET', numbers, unpack(hashes))
        for index, hash in ipairs(hashes) do
            reply[5][2 * index - 1] = hash
            reply[5][2 * index] = values[index] or ''
        end
    end
    if ARGV[7] == '1' then
        reply[6] = redis.call('HGETALL', seen)
    end
    return reply
end

if ARGV[1] == 'exchange' then
    return exchange()
end
if ARGV[1] == 'suppress' then
    return suppress(ARGV[2], ARGV[3], ARGV[4])
end
return finish(ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6])
