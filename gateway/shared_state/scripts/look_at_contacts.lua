#!lua
-- Tell whether contacts would have room under their limits now. Nothing is counted.
-- KEYS: when contacts were lost, then for each contact the keys of its limits.
-- ARGV: for each contact: hash of the dial request, how many limits refuse and how many only observe, then calls and period in ms of each of these.
-- Returns a text for each contact, as count_contacts does.
local now = now_ms()
local lost_at = instant_at(KEYS[1], now)
local reply, key, place = {}, 2, 1
while place <= #ARGV do
    local call, refusing, observing = ARGV[place], tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
    local limits
    limits, key, place = limits_at(key, place + 3, refusing + observing)
    reply[#reply + 1] = refused(limits, refusing, call, lost_at, now) or observed(limits, refusing, call, now)
end
return reply
