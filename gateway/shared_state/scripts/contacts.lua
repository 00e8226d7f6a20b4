-- The contacts of a number under one limit: a part of the scripts about contacts.
-- They are kept as lines 'AT_MS CALL MEMBER NUMBER DOUBT', see gateway/shared_state/commands/contacts.py.
local LINE = '(%d+) (%S+) (%S+) (%d+) ([01])\n'

-- Return the number at a key, 0 without one; `other` if something else is there.
local function instant_at(key, other)
    local value = redis.pcall('GET', key)
    if not value then
        return 0
    end
    return tonumber(type(value) == 'string' and value or '') or other
end

local function note_instant(key, at_ms, keep_ms)
    redis.call('SET', key, string.format('%.0f', at_ms), 'PX', keep_ms)
end

-- Return the contacts at a key, the oldest first, and whether a gateway has written all of its value.
local function read_contacts(key)
    local value = redis.pcall('GET', key)
    if not value then
        return {}, true
    end
    if type(value) == 'table' then
        return {}, false
    end
    local contacts, length = {}, 0
    for at_ms, call, member, number, doubt in string.gmatch(value, LINE) do
        length = length + #at_ms + #call + #member + #number + #doubt + 5
        contacts[#contacts + 1] = {at_ms = tonumber(at_ms), call = call, member = member, number = number, doubt = doubt}
    end
    return contacts, #contacts > 0 and length == #value
end

-- Return the contact of a call and its place, nil if there is none.
local function contact_of(contacts, call)
    for place, one in ipairs(contacts) do
        if one.call == call then
            return one, place
        end
    end
    return nil
end

-- Keep contacts at a key, the oldest first. Without a period they are kept as long as before.
local function write_contacts(key, contacts, period_ms, now)
    if #contacts == 0 then
        redis.call('DEL', key)
        return
    end
    table.sort(contacts, function(one, other) return one.at_ms < other.at_ms end)
    local lines = {}
    for place, one in ipairs(contacts) do
        lines[place] = string.format('%.0f', one.at_ms) .. ' ' .. one.call .. ' ' .. one.member .. ' ' .. one.number .. ' ' .. one.doubt .. '\n'
    end
    local value = table.concat(lines)
    if not period_ms then
        redis.call('SET', key, value, 'KEEPTTL')
        return
    end
    local left_ms = contacts[#contacts].at_ms + period_ms - now
    redis.call('SET', key, value, 'PX', string.format('%.0f', math.max(left_ms, 1)))
end

-- Return the contacts whose period has not ended.
local function within(contacts, period_ms, now)
    local found = {}
    for _, one in ipairs(contacts) do
        if one.at_ms + period_ms > now then
            found[#found + 1] = one
        end
    end
    return found
end

