#!lua
-- Write contacts again that the store may have lost. A contact that is there stays as it is.
-- KEYS: when contacts were lost, when the member has counted last, then for each contact the keys of its limits.
-- ARGV: member, when it has counted last as far as it knows, for how many ms it has kept its contacts, for how many ms notes are kept, then for
-- each contact: hash of the dial request, number of the call, '1' if an earlier call may have carried the request, for how
-- many ms it has counted, number of limits, then the period in ms of each limit.
-- If the store has lost older contacts than the member has kept, it notes that.
-- Returns how many were added.
local member = ARGV[1]
local now = now_ms()
local counted_at, known_at = instant_at(KEYS[2], 0), tonumber(ARGV[2])
if counted_at < known_at and counted_at < now - tonumber(ARGV[3]) then
    note_instant(KEYS[1], now, ARGV[4])
end
local added, key, place = 0, 3, 5
while place <= #ARGV do
    local call, number, doubt, at_ms = ARGV[place], ARGV[place + 1], ARGV[place + 2], now - tonumber(ARGV[place + 3])
    local limits = tonumber(ARGV[place + 4])
    place = place + 5
    for _ = 1, limits do
        local period_ms = tonumber(ARGV[place])
        local contacts, is_ours = read_contacts(KEYS[key])
        if is_ours and at_ms + period_ms > now and not contact_of(contacts, call) then
            contacts = within(contacts, period_ms, now)
            contacts[#contacts + 1] = {at_ms = at_ms, call = call, member = member, number = number, doubt = doubt}
            write_contacts(KEYS[key], contacts, period_ms, now)
            added = added + 1
        end
        key, place = key + 1, place + 1
    end
end
if counted_at < known_at then
    note_instant(KEYS[2], known_at, ARGV[4])
end
return added
