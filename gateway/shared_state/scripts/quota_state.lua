-- What the store keeps for the quota of a fleet: fields of one hash, each packed. A part of the script `tick`.
-- The demand of a member and its last reply (JSON) have fields of their own, `d:` and `r:` and its id.
local min, max, floor, ceil = math.min, math.max, math.floor, math.ceil
local KEY = KEYS[1]
local request = cjson.decode(ARGV[1])

local KEEP_MS, KEEP_AGAIN_MS = 3600000, 60000
local SILENCE_MS, CLOCK_STEP_MS, EMPTY_S = 1100, 1000, 1.0
local RETRY_CREDIT, DOUBTFUL_EVERY = 10.0, 4
local SEPARATOR = '\000'

local state, units, places -- `places` is nil until it is read
local order -- the members by the order in which they joined
local members -- the same by id
local demand, removed = {}, {} -- rows of demand that are known, and ids of members that were removed
local fields = {} -- the fields of the hash that this tick writes, each followed by its value

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

local function keep(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
end

-- Write everything with one command: each is copied to the log and to the replicas of the server.
local function write()
    keep('state', cmsgpack.pack(state))
    keep('members', cmsgpack.pack(order))
    keep('units', cmsgpack.pack(units))
    if places then
        keep('places', cmsgpack.pack(places))
    end
    redis.call('HSET', KEY, unpack(fields))
    for _, id in ipairs(removed) do
        if not members[id] then
            redis.call('HDEL', KEY, 'd:' .. id, 'r:' .. id)
        end
    end
    local keep_ms = max(KEEP_MS, 2000 * request.settings.longest_outage_s)
    if redis.call('PTTL', KEY) < keep_ms - KEEP_AGAIN_MS then
        redis.call('PEXPIRE', KEY, keep_ms)
    end
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
        demand, removed, fields = {}, {}, {}
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
