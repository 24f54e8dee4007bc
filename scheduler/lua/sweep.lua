-- Some entries in turn: that are gone, of which another program wrote the definition since we saw it, or whose place in the
-- index may not be the one that their due instant and jitter give them. Those that were set aside for what they hold now are left out.
-- KEYS: schedule index. ARGV: cursor, how many at about, prefix. Returns the next cursor, then names.
local found = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local answer = {found[1]}

local function is_misplaced(due, pause, error, score)
  if not tonumber(due) or (pause or '') ~= '' or (error or '') ~= '' then return false end
  return math.abs(tonumber(due) / 1000000 - score) > 0.001
end

for i = 1, #found[2], 2 do
  local key = found[2][i]
  local stored = redis.pcall('HMGET', key, 'definition', 'seen', 'refused', 'meta', 'due', 'pause', 'error')
  if not stored[1] then
    answer[#answer + 1] = string.sub(key, #ARGV[3] + 1)
  elseif redis.sha1hex(stored[1] .. (stored[4] or '')) ~= stored[3] then
    local is_changed = redis.sha1hex(stored[1]) ~= stored[2]
    if is_changed or is_misplaced(stored[5], stored[6], stored[7], tonumber(found[2][i + 1])) then
      answer[#answer + 1] = string.sub(key, #ARGV[3] + 1)
    end
  end
end
return answer
