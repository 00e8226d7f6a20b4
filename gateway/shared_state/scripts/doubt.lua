#!lua
-- Note that tokens without a record may have been sent.
-- KEYS: the doubt. ARGV: for how many ms from now, at least.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return 1
