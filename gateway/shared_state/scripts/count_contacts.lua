#!lua
-- Count the contacts of one call: each under all its limits, or under none if one of them has no room.
-- KEYS: the fingerprint key and the doubt, or none of both, then when contacts were lost, when the member has counted last, then for each contact
-- the keys of its limits.
-- ARGV: how many of the first two there are, member, when it has counted last as far as it knows, for how many ms that is kept, then for each
-- contact: hash of the dial request, number of the call, '1' if an earlier call may have carried the request, how many limits refuse and how many
-- only observe, then calls and period in ms of each of these limits.
-- Returns the marks, the store's clock in ms as a text, and a text for each contact: 'counted' with the numbers of observed limits without room, or
-- 'full' or 'lost' with the number of the refusing limit and the ms until all of these have room. Returns only 'behind' instead of these texts,
-- and counts nothing, if contacts of the member are lost.
local others, member = tonumber(ARGV[1]), ARGV[2]
local now = now_ms()
local lost_at = instant_at(KEYS[others + 1], now)
local counted_at = instant_at(KEYS[others + 2], 0)

local function add(limit, call, number, doubt)
    local contacts = within(limit.contacts, limit.period_ms, now)
    local known = contact_of(contacts, call)
    if not known then
        contacts[#contacts + 1] = {at_ms = now, call = call, member = member, number = number, doubt = '0'}
    else
        if doubt == '1' or known.member ~= member then
            known.doubt = '1'
        end
        known.at_ms, known.member, known.number = now, member, number
    end
    write_contacts(limit.key, contacts, limit.period_ms, now)
end

local function count(limits, refusing, call, number, doubt)
    local answer = refused(limits, refusing, call, lost_at, now)
    if answer then
        return answer
    end
    answer = observed(limits, refusing, call, now)
    for _, limit in ipairs(limits) do
        if limit.is_ours then
            add(limit, call, number, doubt)
        end
    end
    return answer
end

local reply = {marks(others)}
reply[4] = string.format('%.0f', now)
if counted_at < tonumber(ARGV[3]) then
    reply[5] = 'behind'
    return reply
end
note_instant(KEYS[others + 2], math.max(counted_at, now), ARGV[4])
local key, place = others + 3, 5
while place <= #ARGV do
    local call, number, doubt = ARGV[place], ARGV[place + 1], ARGV[place + 2]
    local refusing, observing = tonumber(ARGV[place + 3]), tonumber(ARGV[place + 4])
    local limits
    limits, key, place = limits_at(key, place + 5, refusing + observing)
    reply[#reply + 1] = count(limits, refusing, call, number, doubt)
end
return reply
