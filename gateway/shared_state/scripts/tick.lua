#!lua
-- Carry out a tick of one replica: its report, the assignment of permits, and its reply.
-- The same logic as gateway/shared_state/rules/quota.py, which explains it; a test compares the two.
-- KEYS: the hash of the quota. ARGV: the tick as JSON.
-- Returns the reply as a flat list in JSON, which the client library reads faster than a list of texts.
-- `commands/tick.py` reads it.
local PERMIT_MS, REPORT_MS = 500, 700
local SPARE_SHARE, SPARE_MS = 0.5, 250
local UNITS_LIMIT, ROWS_LIMIT, LEAST_ROWS = 32, 192, 8

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
    if #rows > 0 then
        keep('d:' .. member.member, cmsgpack.pack(rows))
    end
    demand[member.member], member.has_rows = rows, #rows > 0
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

local function nobody_waits()
    for _, member in ipairs(order) do
        if member.has_rows or member.retries_waiting > 0 then
            return false
        end
    end
    return true
end

local function assign(now, burst)
    local rate, most, outstanding = granted_rate(), most_in_use(burst), outstanding_permits()
    state.tokens = min(state.tokens, most - outstanding)
    local left = floor(min(state.tokens + rate * AHEAD_S + 1e-9, most - outstanding))
    if left <= 0 then
        return
    end
    if nobody_waits() then
        redis.call('HDEL', KEY, 'places') -- a round would leave none
        return
    end
    local size = max(ceil(left / UNITS_LIMIT), floor(rate * AHEAD_S / UNITS_LIMIT))
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

local function keep_spare(now, member, burst)
    if not member.confirmed or member.room == 0 or state.tokens - 1.0 < SPARE_SHARE * burst then
        return
    end
    for _, other in ipairs(order) do
        if other.waiting > 0 then
            return
        end
    end
    for _, unit in ipairs(units) do
        if unit.member == member.member and unit['end'] - now > SPARE_MS then
            return
        end
    end
    state.tokens = state.tokens - 1.0
    units[#units + 1] = {
        number = state.next_number, count = 1, left = 1, member = member.member, priority = RETRY, caller = '',
        campaign_id = '', start = now, ['end'] = 0
    }
    state.next_number = state.next_number + 1
end

local function exact(number)
    return string.format('%.17g', number)
end

-- Return a reply to a replica that is no member. `epoch` is '' if a live member has its name.
local function bare_reply(epoch)
    local own = request.settings
    return cjson.encode({
        epoch, exact(state.rate), '0', 0, '0', exact(own.call_rate), exact(own.call_burst),
        exact(own.replay_window_s), exact(own.longest_outage_s), '', 0, 0
    })
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
    note_replies(now, member)
    note_lost(now)
    take_report(now, member)
    if request.leaving then
        remove(member)
        return bare_reply(state.epoch)
    end
    local settings, differing = agreed()
    set_ceiling(settings.call_rate)
    if state.ceiling > 0 then
        assign(now, settings.call_burst)
        keep_spare(now, member, settings.call_burst)
    end
    tell_part(member, settings.call_burst)
    local reply = reply_to(now, member, settings, differing)
    member.before, member.before_at = member.sequence, member.replied_at
    member.sequence, member.replied_at, member.replied = request.sequence, now, true
    local text = cjson.encode(reply)
    keep('r:' .. member.member, text)
    return text
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
        return redis.call('HGET', KEY, 'r:' .. member.member)
    end
    refill(now, agreed_burst())
    if not member then
        if request.leaving then
            return bare_reply(state.epoch)
        end
        if name_is_taken(now) then
            return bare_reply('')
        end
        member = join(now)
    end
    return exchange(now, member)
end

local reply = tick()
write()
return reply
