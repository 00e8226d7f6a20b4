#!lua
-- Conditions of campaigns: record those of a replica, and return those that it has not read.
-- KEYS: the conditions by campaign, the campaigns by version, the newest version.
-- ARGV: the version up to which the replica has read all; then for each condition to record: the campaign, the
-- milliseconds until it may change, the milliseconds since it began, its text.
-- A condition is 'version until since text', both times in ms. Texts of replicas are never parsed here.
-- Returns the version up to which these are all, the time in ms; then campaign, condition, ...
local LIMIT, PAGE, KEPT_MS, GONE_MS = 500, 200, 900000, 2000000
local conditions, order, newest = KEYS[1], KEYS[2], KEYS[3]
local now = now_ms()
local seen = tonumber(ARGV[1])

local function whole(number)
    return string.format('%.0f', number)
end

-- Remove everything if somebody has put something else in the place of a key.
local function check_types()
    for index, expected in ipairs({'hash', 'zset', 'string'}) do
        local found = redis.call('TYPE', KEYS[index]).ok
        if found ~= 'none' and found ~= expected then
            redis.call('DEL', conditions, order, newest)
        end
    end
end

local function version_of(campaign)
    local stored = redis.call('HGET', conditions, campaign)
    return stored and tonumber(string.match(stored, '^(%d+) ')) or 0
end

local function drop(campaign)
    redis.call('HDEL', conditions, campaign)
    redis.call('ZREM', order, campaign)
end

local function record(campaign, pause_ms, age_ms, text, version)
    local value = {whole(version), whole(now + pause_ms), whole(now - age_ms), text}
    redis.call('HSET', conditions, campaign, table.concat(value, ' '))
    redis.call('ZADD', order, whole(version), campaign)
end

local function record_all()
    local version = tonumber(redis.call('GET', newest) or 0) or 0
    for index = 2, #ARGV, 4 do
        if version_of(ARGV[index]) <= seen then
            version = math.max(version + 1, now)
            record(ARGV[index], tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]), ARGV[index + 3], version)
        end
    end
    for _, campaign in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', whole(now - KEPT_MS))) do
        drop(campaign)
    end
    while redis.call('ZCARD', order) > LIMIT do
        redis.call('HDEL', conditions, redis.call('ZPOPMIN', order)[1])
    end
    redis.call('SET', newest, whole(version))
    for index = 1, #KEYS do
        redis.call('PEXPIRE', KEYS[index], GONE_MS)
    end
end

check_types()
if #ARGV > 1 then
    record_all()
end
local version = tonumber(redis.call('GET', newest) or 0) or 0
local found = redis.call('ZRANGEBYSCORE', order, '(' .. whole(seen), '+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
if #found == 2 * PAGE then
    version = tonumber(found[2 * PAGE])
end
local reply = {version, now}
for index = 1, #found, 2 do
    local stored = redis.call('HGET', conditions, found[index])
    if stored then
        reply[#reply + 1] = found[index]
        reply[#reply + 1] = stored
    end
end
return reply
