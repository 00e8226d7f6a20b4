#!lua
-- Carry out a tick of one replica: its report, the assignment of permits, and its reply.
-- The same logic as gateway/shared_state/rules/quota.py, which explains it; a test compares the two.
-- KEYS: the hash of the quota. ARGV: the tick as JSON.
-- Returns the reply as a flat list; `commands/tick.py` reads it.
local KEY = KEYS[1]
local request = cjson.decode(ARGV[1])

local AHEAD_S, IN_FLIGHT_S = 0.2, 0.6
local RATE_CUT, FORGIVEN_MS, RECOVERY_S = 0.7, 10000, 10.0
local WINDOW_MS, WINDOWS = 4000, 15
local RETRY_SHARE, RETRY_CREDIT, RETRY = 0.2, 10.0, -1
local LOST_MS, OUTAGE_MARGIN_MS, MEMBERS_LIMIT = 800, 2000, 100
local PERMIT_MS, REPORT_MS, SILENCE_MS, CLOCK_STEP_MS, EMPTY_S = 500, 700, 1000, 1000, 1.0
local UNITS_LIMIT, ROWS_LIMIT, LEAST_ROWS = 32, 192, 8
local PASSED_OVER_LIMIT, LOOK_AHEAD, DOUBTFUL_EVERY = 9, 8, 4
local KEEP_MS = 3600000
local SEPARATOR = '\000'

local min, max, floor, ceil = math.min, math.max, math.floor, math.ceil

-- --- what is stored: the demand of a member and its last reply have fields of their own --------------------

local state, units, places -- `places` is nil until it is read
local order -- the members by the order in which they joined
local members -- the same by id
local demand, removed = {}, {} -- rows of demand that are known, and ids of members that were removed

local function index_members()
    members = {}
    for _, member in ipairs(order) do
        members[member.member] = member
    end
end

local function read()
    local stored = redis.call('HMGET', KEY, 'state', 'members', 'units')
    if stored[1] and stored[2] and stored[3] then
        state, order = cmsgpack.unpack(stored[1]), cmsgpack.unpack(stored[2])
        units = cmsgpack.unpack(stored[3])
        index_members()
    end
end

local function read_places()
    if not places then
        local stored = redis.call('HGET', KEY, 'places')
        places = stored and cmsgpack.unpack(stored) or {}
    end
end

local function rows_of(member)
    local rows = demand[member.member]
    if not rows then
        local stored = redis.call('HGET', KEY, 'd:' .. member.member)
        rows = stored and cmsgpack.unpack(stored) or {}
        demand[member.member] = rows
    end
    return rows
end

local function write()
    local fields = {
        'state', cmsgpack.pack(state), 'members', cmsgpack.pack(order), 'units', cmsgpack.pack(units)
    }
    if places then
        fields[#fields + 1] = 'places'
        fields[#fields + 1] = cmsgpack.pack(places)
    end
    redis.call('HSET', KEY, unpack(fields))
    for _, id in ipairs(removed) do
        if not members[id] then
            redis.call('HDEL', KEY, 'd:' .. id, 'r:' .. id)
        end
    end
    redis.call('PEXPIRE', KEY, max(KEEP_MS, 2000 * request.settings.longest_outage_s))
end

local function outstanding_permits()
    local count = 0
    for _, unit in ipairs(units) do
        count = count + unit.left
    end
    return count
end

local function drop_settled_units()
    local kept = {}
    for _, unit in ipairs(units) do
        if unit.left > 0 then
            kept[#kept + 1] = unit
        end
    end
    units = kept
end

-- --- epochs -------------------------------------------------------------------------------------------------

local function renew(now, replication)
    state.epoch, state.epoch_at, state.replication = string.format('%d', now), now, replication
    units = {}
    state.at, state.tokens = now, -EMPTY_S * state.rate
    state.throttled_at = min(state.throttled_at, now)
    state.window_at, state.window_count = 0, 0
    for _, member in ipairs(order) do
        member.confirmed, member.ticked, member.replied = false, false, false
        member.confirms_from, member.in_flight, member.retries_waiting, member.waiting = 0, 0, 0, 0
        member.heard_at = now
        member.lost_at = min(member.lost_at, now)
        member.has_rows = false
    end
end

local function present(now, replication)
    if not state then
        redis.call('DEL', KEY)
        members, units, places, order = {}, {}, {}, {}
        demand, removed = {}, {}
        state = {
            at = now, tokens = 0, rate = request.settings.call_rate, ceiling = request.settings.call_rate,
            next_number = 1, cut_number = 0, throttled_at = 0, window_at = 0, window_count = 0, windows = {},
            retry_credit = RETRY_CREDIT, last_order = 0, last_turn = 0, passed_over = {0, 0, 0},
            since_doubtful = DOUBTFUL_EVERY - 1
        }
        renew(now, replication)
    elseif replication ~= state.replication or now < state.at - CLOCK_STEP_MS or now - state.at > SILENCE_MS then
        renew(now, replication)
    end
end

-- --- bucket and pace ----------------------------------------------------------------------------------------

local function granted_rate()
    local reserved = 0.0
    for _, member in ipairs(order) do
        if not member.confirmed then
            reserved = reserved + member.held_rate
        end
    end
    return max(0.0, state.rate - reserved)
end

local function most_in_use(burst)
    local reserved, in_flight = 0.0, 0
    for _, member in ipairs(order) do
        in_flight = in_flight + member.in_flight
        if not member.confirmed then
            reserved = reserved + member.held_burst
        end
    end
    local rate, own = granted_rate(), burst - reserved
    if rate <= 0 then
        return 0.0
    end
    return max(own - in_flight, own < 1.0 + IN_FLIGHT_S * rate and 1.0 or 0.0)
end

local function refill(now, burst)
    local elapsed = (now - state.at) / 1000
    local most = most_in_use(burst) - outstanding_permits()
    state.tokens = min(most, state.tokens + elapsed * granted_rate())
    if state.rate < state.ceiling then
        local best = state.windows[1] or state.ceiling
        for _, rate in ipairs(state.windows) do
            best = max(best, rate)
        end
        local growth = max(min(best, state.ceiling), state.ceiling / 4) / RECOVERY_S
        state.rate = min(state.ceiling, state.rate + elapsed * growth)
    end
    state.at = now
end

local function set_ceiling(ceiling)
    if ceiling ~= state.ceiling then
        if state.rate >= state.ceiling then
            state.rate = ceiling
        else
            state.rate = min(state.rate, ceiling)
        end
        state.ceiling = ceiling
    end
end

local function throttled(numbers)
    for _, number in ipairs(numbers) do
        if number >= state.cut_number and number < state.next_number then
            local alone = state.at - state.throttled_at > FORGIVEN_MS
            state.cut_number, state.throttled_at = state.next_number, state.at
            state.tokens = min(state.tokens, 0.0)
            if alone then
                state.tokens = state.tokens - 1.0
            else
                state.rate = max(state.rate * RATE_CUT, state.ceiling / 100)
            end
        end
    end
end

local function count_calls()
    local earned = state.retry_credit + RETRY_SHARE * request.first_attempts
    state.retry_credit = max(-RETRY_CREDIT, min(RETRY_CREDIT, earned) - request.retries)
    if request.accepted == 0 then
        return
    end
    if state.window_at == 0 then
        state.window_at = state.at
    end
    if state.at - state.window_at >= WINDOW_MS then
        table.insert(state.windows, state.window_count / ((state.at - state.window_at) / 1000))
        while #state.windows > WINDOWS do
            table.remove(state.windows, 1)
        end
        state.window_at, state.window_count = state.at, 0
    end
    state.window_count = state.window_count + request.accepted
end

-- --- members ------------------------------------------------------------------------------------------------

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

local function join(now)
    for _, other in ipairs(order) do
        if other.lost_at > 0 and other.name == request.name then
            remove(other)
        end
    end
    return add(now, request.member, request.name)
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

local function hear(now, member)
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

-- --- turns: a row is {priority, caller, campaign, calls, full, weight, doubtful} ------------------------------

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

-- --- the tick -----------------------------------------------------------------------------------------------

local function settle(member, reports, back)
    local of_member = {}
    for _, unit in ipairs(units) do
        if unit.member == member.member then
            of_member[unit.number] = unit
        end
    end
    for _, report in ipairs(reports) do
        local unit = of_member[report[1]]
        if unit then
            local settled = min(report[2], unit.left)
            unit.left = unit.left - settled
            if back then
                state.tokens = state.tokens + settled
            end
        end
    end
end

local function take_report(now, member)
    member.name, member.settings = request.name, request.settings
    member.in_flight, member.room = request.in_flight, request.room
    member.retries_waiting = request.retries_waiting
    local limit = max(LEAST_ROWS, floor(ROWS_LIMIT / #order))
    local rows = {}
    member.waiting = request.retries_waiting
    for index = 1, min(limit, #request.demand) do
        rows[index] = request.demand[index]
        member.waiting = member.waiting + rows[index][4]
    end
    demand[member.member], member.has_rows = rows, #rows > 0
    redis.call('HSET', KEY, 'd:' .. member.member, cmsgpack.pack(rows))
    if request.epoch == state.epoch then
        settle(member, request.used, false)
        settle(member, request.returned, true)
        throttled(request.throttled)
        count_calls()
    end
    for _, unit in ipairs(units) do
        if unit['end'] > 0 and now > unit['end'] + REPORT_MS then
            unit.left = 0
        end
    end
    drop_settled_units()
end

local function assign(now, burst)
    local rate, most, outstanding = granted_rate(), most_in_use(burst), outstanding_permits()
    state.tokens = min(state.tokens, most - outstanding)
    local left = floor(min(state.tokens + rate * AHEAD_S + 1e-9, most - outstanding))
    if left <= 0 then
        return
    end
    local size = ceil(left / UNITS_LIMIT)
    begin_round()
    for _ = 1, UNITS_LIMIT do
        local chosen = left > 0 and choose()
        if not chosen then
            break
        end
        local id, row = chosen.member.member, chosen.row
        local count = min(size, left, chosen.calls, free[id])
        local wait_s = max(0.0, count - state.tokens) / rate
        state.tokens = state.tokens - count
        left = left - count
        units[#units + 1] = {
            number = state.next_number, count = count, left = count, member = id,
            priority = had_turn(chosen, count), caller = row and row[2] or '',
            campaign_id = row and row[3] or '', start = now + ceil(wait_s * 1000), ['end'] = 0
        }
        state.next_number = state.next_number + count
    end
end

local function exact(number)
    return string.format('%.17g', number)
end

local function bare_reply()
    local own = request.settings
    return {
        state.epoch, exact(state.rate), '0', 0, '0', exact(own.call_rate), exact(own.call_burst),
        exact(own.replay_window_s), exact(own.longest_outage_s), '', 0, 0
    }
end

local function add_permits(reply, now, member)
    local at, count = #reply + 1, 0
    reply[at] = 0
    for _, unit in ipairs(units) do
        if unit.member == member.member and unit['end'] == 0 then
            unit['end'] = now + PERMIT_MS
            count = count + 1
            for _, value in ipairs({
                unit.number, unit.count, max(0, unit.start - now), PERMIT_MS, unit.caller, unit.campaign_id
            }) do
                reply[#reply + 1] = value
            end
        end
    end
    reply[at] = count
end

local function add_members(reply, member)
    reply[#reply + 1] = #order
    for _, other in ipairs(order) do
        local own = other.member == member.member
        for _, value in ipairs({
            other.member, other.name, other.lost_at > 0 and 1 or 0,
            exact(own and other.local_rate or other.held_rate),
            exact(own and other.local_burst or other.held_burst)
        }) do
            reply[#reply + 1] = value
        end
    end
end

local function reply_to(now, member, settings, differing)
    local backlog = 0
    for _, other in ipairs(order) do
        backlog = backlog + other.waiting
    end
    local reply = {
        state.epoch, exact(state.rate), exact(state.tokens), backlog, exact(state.retry_credit),
        exact(settings.call_rate), exact(settings.call_burst), exact(settings.replay_window_s),
        exact(settings.longest_outage_s), table.concat(differing, ',')
    }
    add_permits(reply, now, member)
    add_members(reply, member)
    return reply
end

local function exchange(now, member)
    hear(now, member)
    note_lost(now)
    take_report(now, member)
    if request.leaving then
        remove(member)
        return bare_reply()
    end
    local settings, differing = agreed()
    set_ceiling(settings.call_rate)
    if state.ceiling > 0 then
        assign(now, settings.call_burst)
    end
    tell_part(member, settings.call_burst)
    local reply = reply_to(now, member, settings, differing)
    member.before, member.before_at = member.sequence, member.replied_at
    member.sequence, member.replied_at, member.replied = request.sequence, now, true
    redis.call('HSET', KEY, 'r:' .. member.member, cmsgpack.pack(reply))
    return reply
end

local function tick()
    if not pcall(read) then
        state = nil
    end
    local info = redis.call('INFO', 'replication')
    local clock_ms = now_ms()
    present(clock_ms, string.match(info, 'master_replid:(%w+)') or '')
    local now, member = max(clock_ms, state.at), members[request.member]
    if member and member.replied and request.sequence <= member.sequence then
        return cmsgpack.unpack(redis.call('HGET', KEY, 'r:' .. member.member))
    end
    refill(now, agreed().call_burst)
    if not member then
        if request.leaving then
            return bare_reply()
        end
        member = join(now)
    end
    return exchange(now, member)
end

local reply = tick()
write()
return reply
