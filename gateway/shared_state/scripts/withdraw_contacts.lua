#!lua
-- Withdraw the contacts of calls that have certainly not reached Connect.
-- KEYS: for each contact the keys of its limits.
-- ARGV: member, then for each contact: hash of the dial request, number of the call, number of limits.
-- A contact stays if a later call has counted it again, or an earlier one may have carried its request.
-- Returns how many were removed.
local member = ARGV[1]
local removed, key = 0, 1
for index = 2, #ARGV, 3 do
    local call, number = ARGV[index], ARGV[index + 1]
    for _ = 1, tonumber(ARGV[index + 2]) do
        local contacts, is_ours = read_contacts(KEYS[key])
        local found, place = contact_of(contacts, call)
        if is_ours and found and found.member == member and found.number == number and found.doubt == '0' then
            table.remove(contacts, place)
            write_contacts(KEYS[key], contacts)
            removed = removed + 1
        end
        key = key + 1
    end
end
return removed
