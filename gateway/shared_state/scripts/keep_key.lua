#!lua
-- Keep the key of the fleet's fingerprints where none is kept yet.
-- KEYS: the place of the key. ARGV: a new key.
-- Returns the key that is kept now.
local kept = redis.call('GET', KEYS[1])
if kept then
    return kept
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
