-- Which turn gets the next permits. A part of the script `tick`; the rules are in `rules/turns.py`.
-- A row of demand is {priority, caller, campaign, calls, full, weight, doubtful}.
local PASSED_OVER_LIMIT, LOOK_AHEAD = 9, 8
local RETRY = -1
local REGULAR, DOUBTFUL = 1, 2
local free -- how many permits each member has room for
local retries, pools -- needs of further attempts, and callers by standing and priority (plus one)

local function kept_place(kept, key)
    local place = kept[key]
    if not place then
        place = places[key]
        if not place then
            state.last_turn = state.last_turn + 1
            place = {state.last_turn, 0}
        end
        kept[key] = place
    end
    return place
end

local function is_open(need)
    return need.calls > 0 and free[need.member.member] > 0
end

-- Add a need to the campaign of its row. A caller is {place, weight, by_id, campaigns}, a campaign {place, needs}.
local function add_need(callers_by_key, need, caller_key, caller_place, campaign_place)
    local row = need.row
    local standing = row[7] == 1 and DOUBTFUL or REGULAR
    local key = standing .. SEPARATOR .. caller_key
    local caller = callers_by_key[key]
    if not caller then
        caller = {place = caller_place, by_id = {}, campaigns = {}}
        callers_by_key[key] = caller
        table.insert(pools[standing][row[1] + 1], caller)
    end
    caller.weight = row[6]
    local campaign = caller.by_id[row[3]]
    if not campaign then
        campaign = {place = campaign_place, needs = {}}
        caller.by_id[row[3]] = campaign
        table.insert(caller.campaigns, campaign)
    end
    need.caller, need.campaign, need.standing = caller, campaign, standing
    table.insert(campaign.needs, need)
end

local function by_place(one, other)
    return one.place[1] < other.place[1]
end

local function begin_round()
    read_places()
    local of_member, of_turn, kept, callers = {}, {}, {}, {}
    free, retries, pools = {}, {}, {{{}, {}, {}}, {{}, {}, {}}}
    for _, unit in ipairs(units) do
        local turn = unit.member .. SEPARATOR .. unit.caller .. SEPARATOR .. unit.campaign_id
        of_member[unit.member] = (of_member[unit.member] or 0) + unit.left
        of_turn[turn] = (of_turn[turn] or 0) + unit.left
    end
    for _, member in ipairs(order) do
        if member.confirmed then
            local id = member.member
            free[id] = member.room - (of_member[id] or 0)
            local had = of_turn[id .. SEPARATOR .. SEPARATOR] or 0
            if member.retries_waiting > had then
                local calls = member.retries_waiting - had
                table.insert(retries, {member = member, calls = calls, place = {member.turn, 0}})
            end
            for _, row in ipairs(member.has_rows and rows_of(member) or {}) do
                local caller_key = row[1] .. SEPARATOR .. row[2]
                local caller = kept_place(kept, caller_key)
                local campaign_key = caller_key .. SEPARATOR .. row[3]
                local campaign = kept_place(kept, campaign_key)
                local place = kept_place(kept, campaign_key .. SEPARATOR .. id)
                had = of_turn[id .. SEPARATOR .. row[2] .. SEPARATOR .. row[3]] or 0
                if row[4] > had then
                    local need = {member = member, row = row, calls = row[4] - had, place = place}
                    add_need(callers, need, caller_key, caller, campaign)
                end
            end
        end
    end
    places = kept
    for _, by_priority in ipairs(pools) do
        for _, list in ipairs(by_priority) do
            table.sort(list, by_place)
            for _, caller in ipairs(list) do
                table.sort(caller.campaigns, by_place)
            end
        end
    end
end

-- Return the open need whose member has its turn, among those with a full call if there are any; nil if none is
-- open. The second result says whether it has a full call.
local function first_need(needs)
    local best, best_full
    for _, need in ipairs(needs) do
        if is_open(need) then
            local full = need.row ~= nil and need.row[5] == 1
            local turn, best_turn = need.place[1], best and best.place[1]
            if not best or (full and not best_full) or (full == best_full and (turn < best_turn
                or (turn == best_turn and need.member.order < best.member.order))) then
                best, best_full = need, full
            end
        end
    end
    return best, best_full
end

-- Return what `first_need` returns for the campaign whose turn it is. Campaigns without open needs are dropped.
local function first_of(caller)
    while caller.campaigns[1] do
        local need, full = first_need(caller.campaigns[1].needs)
        if need then
            return need, full
        end
        table.remove(caller.campaigns, 1)
    end
end

local function waiting(standing)
    local priorities = {}
    for index, callers in ipairs(pools[standing]) do
        while callers[1] and not first_of(callers[1]) do
            table.remove(callers, 1)
        end
        if callers[1] then
            priorities[#priorities + 1] = index
        end
    end
    return priorities
end

local function priority_of(priorities)
    for _, index in ipairs(priorities) do
        if state.passed_over[index] >= PASSED_OVER_LIMIT then
            return index
        end
    end
    return priorities[1]
end

local function of_priority(callers)
    local first = first_of(callers[1])
    local campaigns = callers[1].campaigns
    for index = 1, min(#campaigns, LOOK_AHEAD) do
        local need, full = first_need(campaigns[index].needs)
        if full then
            return need
        end
    end
    for index = 2, min(#callers, LOOK_AHEAD) do
        local need, full = first_of(callers[index])
        if full then
            return need
        end
    end
    return first
end

local function choose()
    local retry = first_need(retries)
    if retry then
        return retry
    end
    local regular, doubtful = waiting(REGULAR), waiting(DOUBTFUL)
    if doubtful[1] and (not regular[1] or state.since_doubtful >= DOUBTFUL_EVERY - 1) then
        return of_priority(pools[DOUBTFUL][priority_of(doubtful)])
    end
    if regular[1] then
        return of_priority(pools[REGULAR][priority_of(regular)])
    end
end

local function move_to_end(items, item)
    for index, one in ipairs(items) do
        if one == item then
            table.remove(items, index)
            break
        end
    end
    items[#items + 1] = item
end

local function had_turn(chosen, count)
    local row, caller = chosen.row, chosen.caller
    chosen.calls = chosen.calls - count
    free[chosen.member.member] = free[chosen.member.member] - count
    state.last_turn = state.last_turn + 1
    chosen.place[1] = state.last_turn
    if not row then
        chosen.member.turn = state.last_turn
        return RETRY
    end
    chosen.campaign.place[1] = state.last_turn
    move_to_end(caller.campaigns, chosen.campaign)
    caller.place[2] = caller.place[2] + count
    if caller.place[2] >= caller.weight then
        caller.place[1], caller.place[2] = state.last_turn, 0
        move_to_end(pools[chosen.standing][row[1] + 1], caller)
    end
    local waits = {}
    for standing = REGULAR, DOUBTFUL do
        for _, index in ipairs(waiting(standing)) do
            waits[index] = index ~= row[1] + 1
        end
    end
    for index, passed in ipairs(state.passed_over) do
        state.passed_over[index] = waits[index] and passed + count or 0
    end
    state.since_doubtful = row[7] == 1 and 0 or state.since_doubtful + count
    return row[1]
end
