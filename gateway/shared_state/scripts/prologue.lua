-- The first lines of every script, behind its line `#!lua`.
-- The last argument is the shift of the store's clock in ms: 0 in production, other values in tests.
local clock_shift_ms = tonumber(table.remove(ARGV))

-- Return the store's wall clock in whole milliseconds.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000) + clock_shift_ms
end

