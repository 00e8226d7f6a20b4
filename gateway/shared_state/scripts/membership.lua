-- The members of the fleet and their parts of the quota. A part of the script `tick`; the rules are in
-- `rules/membership.py`.
local LOST_MS, OUTAGE_MARGIN_MS, MEMBERS_LIMIT = 900, 2000, 100

local function take_back(member)
    for _, unit in ipairs(units) do
        if unit.member == member.member and unit['end'] == 0 then
            state.tokens = state.tokens + unit.left
            unit.left = 0
        end
    end
    drop_settled_units()
end

local function remove(member)
    take_back(member)
    members[member.member] = nil
    removed[#removed + 1] = member.member
    local left = {}
    for _, other in ipairs(order) do
        if other.member ~= member.member then
            left[#left + 1] = other
        end
    end
    order = left
end

local function add(now, id, name)
    state.last_order = state.last_order + 1
    local member = {
        member = id, name = name, order = state.last_order, settings = request.settings, heard_at = now,
        sequence = 0, replied_at = 0, before = 0, before_at = 0, confirms_from = 0, confirmed = false,
        ticked = false, replied = false, lost_at = 0, local_rate = 0, local_burst = 0, held_rate = 0,
        held_burst = 0, in_flight = 0, room = 0, retries_waiting = 0, waiting = 0, turn = 0, has_rows = false
    }
    members[id] = member
    order[#order + 1] = member
    return member
end

local function acknowledge(member)
    if request.acknowledged == member.sequence then
        member.heard_at = max(member.heard_at, member.replied_at)
        member.held_rate, member.held_burst = member.local_rate, member.local_burst
    elseif request.acknowledged == member.before then
        member.heard_at = max(member.heard_at, member.before_at)
    end
    if member.confirms_from > 0 and request.acknowledged >= member.confirms_from then
        member.confirmed, member.lost_at = true, 0
    end
end

local function introduce(now)
    for index, known in ipairs(request.known) do
        if index > MEMBERS_LIMIT then
            break
        end
        local other = members[known.member]
        if not other then
            other = add(now, known.member, known.name)
            other.lost_at = now
        end
        if not other.confirmed then
            other.held_rate = max(other.held_rate, known.local_rate)
            other.held_burst = max(other.held_burst, known.local_burst)
        end
    end
end

local function note_replies(now, member)
    if request.epoch == state.epoch then
        acknowledge(member)
    elseif not member.ticked then
        introduce(now)
    end
    if not member.confirmed and member.confirms_from == 0 then
        member.confirms_from = request.sequence
    end
    member.ticked = true
end

local function lose(now, member)
    member.lost_at, member.confirmed, member.confirms_from = now, false, 0
    member.has_rows = false
    member.in_flight, member.retries_waiting, member.waiting = 0, 0, 0
    take_back(member)
end

local function note_lost(now)
    local gone = {}
    for _, id in ipairs(request.gone) do
        gone[id] = true
    end
    for _, member in ipairs(order) do
        if member.lost_at == 0 and now - member.heard_at > LOST_MS then
            lose(now, member)
        end
        if member.lost_at > 0 then
            local expires_at = member.lost_at + member.settings.longest_outage_s * 1000 + OUTAGE_MARGIN_MS
            local reserved = member.held_rate > 0 or member.held_burst > 0
            local ended = gone[member.member] or not reserved or now > expires_at
            if ended and member.member ~= request.member then
                remove(member)
            end
        end
    end
end

local function name_is_taken(now)
    note_lost(now)
    for _, other in ipairs(order) do
        if other.name == request.name and other.lost_at == 0 then
            return true
        end
    end
    return false
end

local function join(now)
    for _, other in ipairs(order) do
        if other.lost_at > 0 and other.name == request.name then
            remove(other)
        end
    end
    return add(now, request.member, request.name)
end

local function tell_part(member, burst_setting)
    local sharers = min(#order, max(1, floor(burst_setting)))
    local earlier, rate, burst = 0, state.ceiling, burst_setting
    for _, other in ipairs(order) do
        if other.member ~= member.member then
            if other.order < member.order then
                earlier = earlier + 1
            end
            rate = rate - other.held_rate
            burst = burst - other.held_burst
        end
    end
    rate = min(rate, state.rate / sharers)
    burst = min(burst, burst_setting / sharers)
    if earlier >= sharers or rate <= 0 or burst < 1 then
        rate, burst = 0.0, 0.0
    end
    member.local_rate, member.local_burst = rate, burst
    member.held_rate = max(member.held_rate, member.local_rate)
    member.held_burst = max(member.held_burst, member.local_burst)
end

local function agreed_burst()
    local least
    for _, member in ipairs(order) do
        if member.lost_at == 0 then
            least = min(least or member.settings.call_burst, member.settings.call_burst)
        end
    end
    return least or request.settings.call_burst
end

local NAMES = {'call_rate', 'call_burst', 'replay_window_s', 'longest_outage_s'}

local function agreed()
    local everyone = {}
    for _, member in ipairs(order) do
        if member.lost_at == 0 then
            everyone[#everyone + 1] = member.settings
        end
    end
    if #everyone == 0 then
        everyone[1] = request.settings
    end
    local first = everyone[1]
    local applying = {
        call_rate = 0, call_burst = first.call_burst, replay_window_s = first.replay_window_s,
        longest_outage_s = first.longest_outage_s
    }
    local differing, seen = {}, {}
    for _, settings in ipairs(everyone) do
        local rate = settings.call_rate
        if rate > 0 and (applying.call_rate == 0 or rate < applying.call_rate) then
            applying.call_rate = rate
        end
        applying.call_burst = min(applying.call_burst, settings.call_burst)
        applying.replay_window_s = max(applying.replay_window_s, settings.replay_window_s)
        applying.longest_outage_s = max(applying.longest_outage_s, settings.longest_outage_s)
        for _, name in ipairs(NAMES) do
            seen[name] = seen[name] or settings[name] ~= first[name]
        end
    end
    for _, name in ipairs(NAMES) do
        if seen[name] then
            differing[#differing + 1] = name
        end
    end
    return applying, differing
end
