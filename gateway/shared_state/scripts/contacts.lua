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

-- Return limits of a contact, so many, whose keys begin at one place, and their calls and periods in ms at another; then the places after them.
local function limits_at(key, place, count)
    local limits = {}
    for index = 1, count do
        local contacts, is_ours = read_contacts(KEYS[key])
        limits[index] = {
            key = KEYS[key],
            calls = tonumber(ARGV[place]),
            period_ms = tonumber(ARGV[place + 1]),
            contacts = contacts,
            is_ours = is_ours,
        }
        key, place = key + 1, place + 2
    end
    return limits, key, place
end

-- Return for how many ms a limit has no room for a call, 0 if it has.
local function wait_ms(limit, call, now)
    if not limit.is_ours then
        return limit.period_ms
    end
    local rest = {}
    for _, one in ipairs(limit.contacts) do
        if one.call ~= call and one.at_ms + limit.period_ms > now then
            rest[#rest + 1] = one.at_ms
        end
    end
    if #rest < limit.calls then
        return 0
    end
    return rest[#rest - limit.calls + 1] + limit.period_ms - now
end

-- Return why a limit refuses a call, and for how many ms: 0 if it does not.
local function refusal(limit, call, lost_at, now)
    local ms = wait_ms(limit, call, now)
    if lost_at + limit.period_ms - now > ms then
        return 'lost', lost_at + limit.period_ms - now
    end
    return 'full', ms
end

-- Return which of the first limits refuses a call for the longest time, as 'full' or 'lost', its number and the ms; nil if none does.
local function refused(limits, refusing, call, lost_at, now)
    local answer, longest_ms = nil, 0
    for place = 1, refusing do
        local how, ms = refusal(limits[place], call, lost_at, now)
        if ms > longest_ms then
            answer, longest_ms = how .. ' ' .. place .. ' ' .. string.format('%.0f', ms), ms
        end
    end
    return answer
end

-- Return 'counted' and the numbers of those limits, after the refusing ones, that have no room for a call.
local function observed(limits, refusing, call, now)
    local answer = 'counted'
    for place = refusing + 1, #limits do
        if wait_ms(limits[place], call, now) > 0 then
            answer = answer .. ' ' .. (place - refusing)
        end
    end
    return answer
end
