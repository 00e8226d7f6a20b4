#!lua
-- Note the version of the layout where nothing is stored yet; never change anything else.
-- KEYS: the layout, then further keys of the fleet that exist only if a layout was noted before.
-- ARGV: the layout of the caller; with a second argument nothing is noted.
-- Returns 'ours', 'new' (it was noted now), 'other' with the version found, or 'foreign'.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'string' then
    local found = redis.call('GET', KEYS[1])
    if found == ARGV[1] then
        return {'ours'}
    end
    return {'other', string.sub(found, 1, 40)}
end
if kind ~= 'none' then
    return {'foreign'}
end
for index = 2, #KEYS do
    if redis.call('EXISTS', KEYS[index]) == 1 then
        return {'foreign'}
    end
end
if not ARGV[2] then
    redis.call('SET', KEYS[1], ARGV[1])
end
return {'new'}
