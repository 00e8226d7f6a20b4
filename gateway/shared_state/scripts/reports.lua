#!lua
-- Return the reports of the fleet that are not too old: member, report, ...
-- KEYS: the reports.
local now = now_ms()
local all = redis.call('HGETALL', KEYS[1])
local found = {}
for index = 1, #all, 2 do
    local valid_until, begin = string.match(all[index + 1], '^(%d+) ()')
    if valid_until and tonumber(valid_until) > now then
        found[#found + 1] = all[index]
        found[#found + 1] = string.sub(all[index + 1], begin)
    end
end
return found
