#!lua
-- Holds, purges and the history of operators' actions. Texts of operators are never parsed here.
-- KEYS: the counters, the holds, the history, what members have seen; for an exchange, then the answered
-- counts that it reports, and those that it asks for.
-- ARGV of an action: its kind, the campaign, the text (caller, reason, answering), when it was asked for in ms.
--   Returns {0} for a release of no hold, {-1} if too many campaigns are held, {-2} if it arrives too late, else
--   {1, version, time in ms}.
-- ARGV of an exchange: 'exchange', the member, the version that it has seen, 1 if somebody looks at a listing,
-- how many counts follow, the counts, how many are asked for, how many own versions follow, these; then, for
-- each unrecorded hold, the campaign, its former version or 0, its time in ms, its text.
--   Returns version, time in ms, lost, looking, changed, holds (campaign, hold, ...), actions, seen
--   (member, version and time, ...), answered (for each asked: member, count, ...).
-- A hold is 'version time text'; an action of the history is 'version time kind campaign text'.
local HOLD_LIMIT, HISTORY = 1000, 500
local ACT_WITHIN_MS, ANSWERED_KEPT_MS, LOOKING_MS = 2000, 60000, 3000
local SEEN_KEPT_MS, SEEN_AGAIN_MS = 900000, 60000
local counters, holds, history, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()

local function whole(number)
    return string.format('%.0f', number)
end

local function counter(name)
    return tonumber(redis.call('HGET', counters, name) or 0) or 0
end

local function is_full(campaign)
    return redis.call('HEXISTS', holds, campaign) == 0 and redis.call('HLEN', holds) >= HOLD_LIMIT
end

-- Give a new store a version of its own, so that 0 means that a replica has read nothing.
local function begin()
    if counter('version') == 0 then
        redis.call('HSET', counters, 'version', whole(now), 'born', whole(now))
    end
end

local function record(kind, campaign, at, text)
    begin()
    local version = math.max(counter('version') + 1, now)
    local number = whole(version)
    redis.call('HSET', counters, 'version', number)
    if kind == 'hold' then
        redis.call('HSET', holds, campaign, number .. ' ' .. whole(at) .. ' ' .. text)
    end
    local entry = {number, whole(at), kind, campaign, text}
    redis.call('ZADD', history, number, table.concat(entry, ' '))
    while redis.call('ZCARD', history) > HISTORY do
        local oldest = redis.call('ZPOPMIN', history)
        redis.call('HSET', counters, 'trimmed', whole(tonumber(oldest[2])))
    end
    return version
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

local function act(kind, campaign, text, asked_at)
    if asked_at > 0 and now - asked_at > ACT_WITHIN_MS then
        return {-2}
    end
    if kind == 'hold' and is_full(campaign) then
        return {-1}
    end
    if kind == 'release' and redis.call('HDEL', holds, campaign) == 0 then
        return {0}
    end
    forget_members()
    return {1, record(kind, campaign, now, text), now}
end

-- Whether this store has lost a version that a replica knows. One that was dropped from the history is
-- not lost, unless it is older than all that is stored.
local function has_lost(version)
    if version == 0 or version == counter('born') then
        return false
    end
    if redis.call('ZCOUNT', history, whole(version), whole(version)) > 0 then
        return false
    end
    return version > counter('trimmed') or version < counter('born')
end

local function record_missing(campaign, version, at, text)
    local stored = redis.call('HGET', holds, campaign)
    if stored and (version > 0 or string.match(stored, '^%d+ %d+ (.*)$') == text) then
        return
    end
    if not is_full(campaign) then
        if at == 0 then
            at = now
        end
        record('hold', campaign, math.min(at, now), text)
    end
end

local function note_seen(member, version)
    local before, at = string.match(redis.call('HGET', seen, member) or '', '^(%d+) (%d+)$')
    if tonumber(before) ~= version or now - tonumber(at) >= SEEN_AGAIN_MS then
        redis.call('HSET', seen, member, whole(version) .. ' ' .. whole(now))
        redis.call('PEXPIRE', seen, 4 * SEEN_KEPT_MS)
    end
end

-- The field '' of counts is the time until which they are valid; the server's own expiry frees the memory.
local function are_valid(key)
    return tonumber(redis.call('HGET', key, '') or 0) > now
end

local function note_answered(key, member, count)
    if not are_valid(key) then
        redis.call('DEL', key)
    end
    redis.call('HSET', key, member, count, '', whole(now + ANSWERED_KEPT_MS))
    redis.call('PEXPIRE', key, 2 * ANSWERED_KEPT_MS)
end

local function answered(key)
    if not are_valid(key) then
        return {}
    end
    return redis.call('HGETALL', key)
end

local function exchange()
    local member, version = ARGV[2], tonumber(ARGV[3])
    local reported = tonumber(ARGV[5])
    local asked = tonumber(ARGV[6 + reported])
    local recorded = tonumber(ARGV[7 + reported])
    begin()
    local lost = has_lost(version)
    for index = 8 + reported, 7 + reported + recorded do
        lost = lost or has_lost(tonumber(ARGV[index]))
    end
    for index = 8 + reported + recorded, #ARGV, 4 do
        record_missing(ARGV[index], tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]), ARGV[index + 3])
    end
    note_seen(member, lost and 0 or version)
    for index = 1, reported do
        note_answered(KEYS[4 + index], member, ARGV[5 + index])
    end
    if ARGV[4] == '1' then
        redis.call('HSET', counters, 'looking_until', whole(now + LOOKING_MS))
    end
    local present = counter('version')
    local changed = lost or version == 0 or present ~= version
    local reply = {present, now, lost and 1 or 0, now < counter('looking_until') and 1 or 0, changed and 1 or 0}
    reply[6] = changed and redis.call('HGETALL', holds) or {}
    reply[7] = {}
    if version > 0 and not lost and changed then
        reply[7] = redis.call('ZRANGEBYSCORE', history, '(' .. whole(version), '+inf')
    end
    reply[8] = asked > 0 and redis.call('HGETALL', seen) or {}
    reply[9] = {}
    for index = 1, asked do
        reply[9][index] = answered(KEYS[4 + reported + index])
    end
    return reply
end

if ARGV[1] == 'exchange' then
    return exchange()
end
return act(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]))
