#!lua
-- Read the records of client tokens.
-- KEYS: the keys of the tokens. No ARGV.
-- Returns the store's clock in ms as a text, then for each token the text of its record, nil if it has none.
local found = {string.format('%.0f', now_ms())}
for index, key in ipairs(KEYS) do
    local value = redis.pcall('GET', key)
    if type(value) == 'table' then
        value = '' -- not a text, so not ours
    end
    found[index + 1] = value
end
return found
