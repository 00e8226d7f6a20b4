#!lua
-- Note that the store has lost contacts now.
-- KEYS: the note. ARGV: for how many ms it is kept.
redis.call('SET', KEYS[1], string.format('%.0f', now_ms()), 'PX', ARGV[1])
return 1
