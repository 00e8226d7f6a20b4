#!lua
-- Use each command of the other scripts on a key of the check's own, which is deleted at the end.
-- KEYS: that key. Returns the commands that the user may not run.
local key = KEYS[1]
local denied = {}

local function try(command, ...)
    local reply = redis.pcall(command, ...)
    local text = type(reply) == 'table' and reply.err or ''
    if string.find(text, 'permission', 1, true) or string.find(text, "can't run", 1, true) then
        denied[#denied + 1] = command
    end
end

try('TIME')
try('INFO', 'replication')
try('DEL', key)
try('EXISTS', key)
try('TYPE', key)
try('SET', key, '1')
try('GET', key)
try('MGET', key)
try('PEXPIRE', key, 1000)
try('PTTL', key)
try('DEL', key)
try('HSET', key, 'a', '1')
try('HSETNX', key, 'a', '1')
try('HGET', key, 'a')
try('HMGET', key, 'a')
try('HGETALL', key)
try('HEXISTS', key, 'a')
try('HLEN', key)
try('HDEL', key, 'a')
try('DEL', key)
try('ZADD', key, 1, 'a')
try('ZCARD', key)
try('ZCOUNT', key, 0, 1)
try('ZRANGEBYSCORE', key, 0, 1)
try('ZPOPMIN', key)
try('ZREM', key, 'a')
try('DEL', key)
return denied
