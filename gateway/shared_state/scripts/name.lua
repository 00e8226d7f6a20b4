#!lua
-- Return 1 if a live member of the fleet has a name, 0 if none has. Nothing is changed.
-- KEYS: the hash of the quota. ARGV: the name, and after how many ms without a sign a member is lost.
local stored = redis.call('HGET', KEYS[1], 'members')
local readable, members = pcall(cmsgpack.unpack, stored or '')
if not stored or not readable then
    return 0
end
local now = now_ms()
for _, member in ipairs(members) do
    if member.name == ARGV[1] and member.lost_at == 0 and now - member.heard_at <= tonumber(ARGV[2]) then
        return 1
    end
end
return 0
