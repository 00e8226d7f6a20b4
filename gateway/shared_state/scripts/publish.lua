#!lua
-- Keep a member's report for the listings of the fleet, and drop the reports that are too old.
-- KEYS: the reports. ARGV: the member, the milliseconds to keep it, the report.
-- A report is kept as 'until report', the time in ms; the server's own expiry frees the memory.
local now = now_ms()
local all = redis.call('HGETALL', KEYS[1])
for index = 1, #all, 2 do
    local valid_until = tonumber(string.match(all[index + 1], '^(%d+) ') or 0)
    if valid_until <= now then
        redis.call('HDEL', KEYS[1], all[index])
    end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now + ARGV[2]) .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], 60000)
return 1
