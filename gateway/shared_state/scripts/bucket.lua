-- The token bucket of the fleet and its pace. A part of the script `tick`; the rules are in `rules/bucket.py`.
local AHEAD_S, IN_FLIGHT_S = 0.2, 0.6
local RATE_CUT, FORGIVEN_MS, RECOVERY_S = 0.7, 10000, 10.0
local WINDOW_MS, WINDOWS = 4000, 15
local RETRY_SHARE = 0.2

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
