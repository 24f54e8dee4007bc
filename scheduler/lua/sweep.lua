-- Scan some entries in turn for what other programs did with RedBeat's API. Returned are entries that are gone, entries
-- whose definition another program wrote since we saw it, and entries whose score is not that of their due instant (it
-- may be their jitter). An entry that is quarantined for exactly what it holds now is left out.
-- KEYS: schedule index. ARGV: cursor, about how many to look at, prefix. Returns the next cursor, then names.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local cursor, keys_and_scores = page[1], page[2]
local answer = {cursor}

local function is_misplaced(due, pause, error, score)
  if not tonumber(due) or (pause or '') ~= '' or (error or '') ~= '' then return false end
  return math.abs(tonumber(due) / 1000000 - score) > 0.001
end

for i = 1, #keys_and_scores, 2 do
  local key, score = keys_and_scores[i], tonumber(keys_and_scores[i + 1])
  -- pcall, because another program may have written another type there.
  local stored = redis.pcall('HMGET', key, 'definition', 'seen', 'refused', 'meta', 'due', 'pause', 'error')
  if not stored[1] then
    answer[#answer + 1] = string.sub(key, #ARGV[3] + 1)
  elseif redis.sha1hex(stored[1] .. (stored[4] or '')) ~= stored[3] then
    local is_changed = redis.sha1hex(stored[1]) ~= stored[2]
    if is_changed or is_misplaced(stored[5], stored[6], stored[7], score) then
      answer[#answer + 1] = string.sub(key, #ARGV[3] + 1)
    end
  end
end
return answer
