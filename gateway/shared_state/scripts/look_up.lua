#!lua
-- Read the records of client tokens.
-- KEYS: the fingerprint key and the doubt, or none of both, then the keys of the tokens.
-- ARGV: how many of the first two there are.
-- Returns the marks, the store's clock in ms as a text, then for each token the text of its record, nil if it
-- has none.
local others = tonumber(ARGV[1])
local reply = {marks(others)}
reply[4] = string.format('%.0f', now_ms())
for index = 1, #KEYS - others do
    local value = redis.pcall('GET', KEYS[others + index])
    if type(value) == 'table' then
        value = '' -- not a text, so not ours
    end
    reply[4 + index] = value
end
return reply
