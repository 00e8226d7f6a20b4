#!lua
-- Carry out a tick of one replica: its report, the assignment of permits, and its reply.
-- The same logic as gateway/shared_state/rules/quota.py, which explains it; a test compares the two.
-- KEYS: the hash of the quota. ARGV: the tick as JSON.
-- Returns the reply as a flat list; `commands/tick.py` reads it.
local KEY = KEYS[1]
local request = cjson.decode(ARGV[1])

local AHEAD_S, SLOW_CALLS_S = 0.2, 0.6
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

-- --- what is stored ---------------------------------------------------------------------------------------

local state, members, units, places -- `members` by id
local order -- the members by the order in which they joined
local changed, removed = {}, {}

local function sort_members()
    order = {}
    for _, member in pairs(members) do
        order[#order + 1] = member
    end
    table.sort(order, function(one, other) return one.order < other.order end)
end

local function read()
    local stored = redis.call('HGETALL', KEY)
    members, units, places = {}, {}, {}
    for index = 1, #stored, 2 do
        local name, value = stored[index], stored[index + 1]
        if name == 'state' then
            state = cmsgpack.unpack(value)
        elseif name == 'units' then
            units = cmsgpack.unpack(value)
        elseif name == 'places' then
            places = cmsgpack.unpack(value)
        elseif string.sub(name, 1, 2) == 'm:' then
            members[string.sub(name, 3)] = cmsgpack.unpack(value)
        end
    end
    sort_members()
end

local function write()
    local fields = {
        'state', cmsgpack.pack(state), 'units', cmsgpack.pack(units), 'places', cmsgpack.pack(places)
    }
    for id in pairs(changed) do
        if members[id] then
            fields[#fields + 1] = 'm:' .. id
            fields[#fields + 1] = cmsgpack.pack(members[id])
        end
    end
    redis.call('HSET', KEY, unpack(fields))
    for id in pairs(removed) do
        if not members[id] then
            redis.call('HDEL', KEY, 'm:' .. id, 'r:' .. id)
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
        member.confirms_from, member.in_flight, member.retries_waiting = 0, 0, 0
        member.heard_at = now
        member.lost_at = min(member.lost_at, now)
        member.rows = {}
        changed[member.member] = true
    end
end

local function present(now, replication)
    if not state then
        redis.call('DEL', KEY)
        members, units, places, order = {}, {}, {}, {}
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
    local rate = granted_rate()
    if rate <= 0 then
        return 0.0
    end
    local own = max(1.0, burst - reserved)
    return max(own - in_flight, min(own, 1.0 + SLOW_CALLS_S * rate))
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
    removed[member.member] = true
    sort_members()
end

local function add(now, id, name)
    state.last_order = state.last_order + 1
    local member = {
        member = id, name = name, order = state.last_order, settings = request.settings, heard_at = now,
        sequence = 0, replied_at = 0, before = 0, before_at = 0, confirms_from = 0, confirmed = false,
        ticked = false, replied = false, lost_at = 0, local_rate = 0, local_burst = 0, held_rate = 0,
        held_burst = 0, in_flight = 0, room = 0, retries_waiting = 0, turn = 0, rows = {}
    }
    members[id] = member
    order[#order + 1] = member
    changed[id] = true
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
        member.confirmed = true
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
            changed[other.member] = true
        end
    end
end

local function hear(now, member)
    if request.epoch == state.epoch then
        acknowledge(member)
    elseif not member.ticked then
        introduce(now)
    end
    if member.lost_at > 0 then
        member.lost_at, member.heard_at = 0, now
    end
    if not member.confirmed and member.confirms_from == 0 then
        member.confirms_from = request.sequence
    end
    member.ticked = true
end

local function lose(now, member)
    member.lost_at, member.confirmed, member.confirms_from = now, false, 0
    member.rows = {}
    member.in_flight, member.retries_waiting = 0, 0
    take_back(member)
    changed[member.member] = true
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

local function caller_key(row)
    return row[1] .. SEPARATOR .. row[2]
end

local function campaign_key(row)
    return row[1] .. SEPARATOR .. row[2] .. SEPARATOR .. row[3]
end

local function enter(rows)
    for _, row in ipairs(rows) do
        for _, key in ipairs({caller_key(row), campaign_key(row)}) do
            if not places[key] then
                state.last_turn = state.last_turn + 1
                places[key] = {state.last_turn, 0}
            end
        end
    end
end

local function forget_absent_places()
    local kept = {}
    for _, member in ipairs(order) do
        for _, row in ipairs(member.rows) do
            local caller, campaign = caller_key(row), campaign_key(row)
            kept[caller], kept[campaign] = places[caller], places[campaign]
        end
    end
    places = kept
end

local function with_earliest_turn(needs, only_full)
    local best
    for _, need in ipairs(needs) do
        if not only_full or need.row[5] == 1 then
            local member = need.member
            if not best or member.turn < best.member.turn
                or (member.turn == best.member.turn and member.order < best.member.order) then
                best = need
            end
        end
    end
    return best
end

local function of_campaign(needs)
    return with_earliest_turn(needs, true) or with_earliest_turn(needs, false)
end

local function is_full(needs)
    for _, need in ipairs(needs) do
        if need.row[5] == 1 then
            return true
        end
    end
    return false
end

local function in_turn(groups)
    local keys = {}
    for key in pairs(groups) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(one, other) return places[one][1] < places[other][1] end)
    return keys
end

local function first_in_turn(groups)
    local first
    for key in pairs(groups) do
        if not first or places[key][1] < places[first][1] then
            first = key
        end
    end
    return first
end

local function of_priority(pool)
    local by_caller = {}
    for _, need in ipairs(pool) do
        local caller, campaign = caller_key(need.row), campaign_key(need.row)
        local campaigns = by_caller[caller] or {}
        by_caller[caller] = campaigns
        campaigns[campaign] = campaigns[campaign] or {}
        table.insert(campaigns[campaign], need)
    end
    local callers = in_turn(by_caller)
    local own = by_caller[callers[1]]
    local campaigns = in_turn(own)
    for index = 1, min(#campaigns, LOOK_AHEAD) do
        if is_full(own[campaigns[index]]) then
            return of_campaign(own[campaigns[index]])
        end
    end
    for index = 2, min(#callers, LOOK_AHEAD) do
        local others = by_caller[callers[index]]
        local first = others[first_in_turn(others)]
        if is_full(first) then
            return of_campaign(first)
        end
    end
    return of_campaign(own[campaigns[1]])
end

local function priority_of(pool)
    local waiting = {}
    for _, need in ipairs(pool) do
        waiting[need.row[1]] = true
    end
    local first
    for priority = 0, #state.passed_over - 1 do
        if waiting[priority] then
            if state.passed_over[priority + 1] >= PASSED_OVER_LIMIT then
                return priority
            end
            first = first or priority
        end
    end
    return first
end

local function choose(needs, free)
    local retries, regular, doubtful = {}, {}, {}
    for _, need in ipairs(needs) do
        if need.calls > 0 and free[need.member.member] > 0 then
            local group = regular
            if not need.row then
                group = retries
            elseif need.row[7] == 1 then
                group = doubtful
            end
            group[#group + 1] = need
        end
    end
    if #retries > 0 then
        return with_earliest_turn(retries, false)
    end
    local pool = regular
    if #doubtful > 0 and (#regular == 0 or state.since_doubtful >= DOUBTFUL_EVERY - 1) then
        pool = doubtful
    end
    if #pool == 0 then
        return nil
    end
    local priority, of_it = priority_of(pool), {}
    for _, need in ipairs(pool) do
        if need.row[1] == priority then
            of_it[#of_it + 1] = need
        end
    end
    return of_priority(of_it)
end

local function had_turn(needs, chosen, count)
    state.last_turn = state.last_turn + 1
    chosen.member.turn = state.last_turn
    changed[chosen.member.member] = true
    local row = chosen.row
    if not row then
        return RETRY
    end
    places[campaign_key(row)][1] = state.last_turn
    local caller = places[caller_key(row)]
    caller[2] = caller[2] + count
    if caller[2] >= row[6] then
        caller[1], caller[2] = state.last_turn, 0
    end
    local waiting = {}
    for _, need in ipairs(needs) do
        if need.row and need.calls > 0 then
            waiting[need.row[1]] = true
        end
    end
    for index, passed in ipairs(state.passed_over) do
        local priority = index - 1
        if waiting[priority] and priority ~= row[1] then
            state.passed_over[index] = passed + count
        else
            state.passed_over[index] = 0
        end
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
    member.rows = {}
    for index = 1, min(limit, #request.demand) do
        member.rows[index] = request.demand[index]
    end
    enter(member.rows)
    forget_absent_places()
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

local function find_needs()
    local of_member, of_turn = {}, {}
    for _, unit in ipairs(units) do
        local turn = unit.member .. SEPARATOR .. unit.caller .. SEPARATOR .. unit.campaign_id
        of_member[unit.member] = (of_member[unit.member] or 0) + unit.left
        of_turn[turn] = (of_turn[turn] or 0) + unit.left
    end
    local needs, free = {}, {}
    for _, member in ipairs(order) do
        if member.confirmed then
            local id = member.member
            free[id] = member.room - (of_member[id] or 0)
            local retries = of_turn[id .. SEPARATOR .. SEPARATOR] or 0
            needs[#needs + 1] = {member = member, calls = member.retries_waiting - retries}
            for _, row in ipairs(member.rows) do
                local had = of_turn[id .. SEPARATOR .. row[2] .. SEPARATOR .. row[3]] or 0
                needs[#needs + 1] = {member = member, row = row, calls = row[4] - had}
            end
        end
    end
    return needs, free
end

local function assign(now, burst)
    local rate, most, outstanding = granted_rate(), most_in_use(burst), outstanding_permits()
    state.tokens = min(state.tokens, most - outstanding)
    local left = floor(min(state.tokens + rate * AHEAD_S + 1e-9, most - outstanding))
    if left <= 0 then
        return
    end
    local size, needs, free = ceil(left / UNITS_LIMIT), find_needs()
    for _ = 1, UNITS_LIMIT do
        local chosen = left > 0 and choose(needs, free)
        if not chosen then
            break
        end
        local id, row = chosen.member.member, chosen.row
        local count = min(size, left, chosen.calls, free[id])
        local wait_s = max(0.0, count - state.tokens) / rate
        state.tokens = state.tokens - count
        left = left - count
        chosen.calls = chosen.calls - count
        free[id] = free[id] - count
        units[#units + 1] = {
            number = state.next_number, count = count, left = count, member = id,
            priority = had_turn(needs, chosen, count), caller = row and row[2] or '',
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
        backlog = backlog + other.retries_waiting
        for _, row in ipairs(other.rows) do
            backlog = backlog + row[4]
        end
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
    changed[member.member] = true
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
