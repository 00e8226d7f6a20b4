#!lua
-- Claim the client tokens of one call.
-- KEYS: the fingerprint key and the doubt, or none of both, then the keys of the tokens.
-- ARGV: how many of the first two there are, member, window in ms, recent in ms, stale in ms, number of live members, the live members, then
-- fingerprint and number of the call for each token.
-- Returns the marks, and a text for each token: 'claimed', 'taken over', 'conflict', 'elsewhere', or
-- 'accepted TRACE_ID DIAL_REQUEST_ID'.
local others = tonumber(ARGV[1])
local member, window_ms = ARGV[2], tonumber(ARGV[3])
local recent_ms, stale_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local lives = tonumber(ARGV[6])
local live = {}
for index = 1, lives do
    live[ARGV[6 + index]] = true
end
local now = now_ms()

local function is_alive(claimed_by, at_ms)
    local age_ms = math.abs(now - at_ms) -- the clock may be set back
    return age_ms <= (live[claimed_by] and stale_ms or recent_ms)
end

local function claim(key, fingerprint, number, in_doubt)
    local at_ms = string.format('%.0f', now)
    local value = 'S ' .. fingerprint .. ' ' .. in_doubt .. ' ' .. at_ms .. ' ' .. number .. ' ' .. member
    redis.call('SET', key, value, 'PX', string.format('%.0f', math.max(window_ms, redis.call('PTTL', key))))
    return in_doubt == '1' and 'taken over' or 'claimed'
end

local function verdict(key, fingerprint, number)
    local value = redis.pcall('GET', key)
    if not value then
        return claim(key, fingerprint, number, '0')
    end
    if type(value) == 'table' then
        value = '' -- not a text, so not ours
    end
    local unknown = string.match(value, '^U (%S+)$')
    local accepted, ids = string.match(value, '^A (%S+) (%S* .*)$')
    local sent, in_doubt, at_ms, claimed_by = string.match(value, '^S (%S+) ([01]) (%d+) %d+ (.*)$')
    local stored = unknown or accepted or sent
    if stored and stored ~= fingerprint and string.sub(stored, 1, 4) == string.sub(fingerprint, 1, 4) then
        return 'conflict'
    end
    if accepted then
        return 'accepted ' .. ids
    end
    if sent and claimed_by == member then
        return claim(key, fingerprint, number, in_doubt)
    end
    if sent and is_alive(claimed_by, tonumber(at_ms)) then
        return 'elsewhere'
    end
    return claim(key, fingerprint, number, '1')
end

local reply = {marks(others)}
for index = 1, #KEYS - others do
    local place = 5 + lives + 2 * index
    reply[3 + index] = verdict(KEYS[others + index], ARGV[place], ARGV[place + 1])
end
return reply
