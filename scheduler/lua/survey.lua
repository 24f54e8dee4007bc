-- See which entries there are, and read of them only those that the schedule file alone could not make again.
-- KEYS: none. ARGV: keys of entries. Returns for each key 'none' if it has no entry, 'file' or 'app' for an entry that
--   is as its declaration makes it, else its whole hash.
local function is_empty(text) return not text or text == '' end

-- What storage/survey.py takes for plain, which needs no copy.
local function is_plain(origin, pause, skip, overlay, error, fields)
  if origin ~= 'file' and origin ~= 'app' or not (is_empty(pause) and is_empty(skip) and is_empty(error)) then
    return false
  end
  return (not overlay or overlay == '{}') and fields and not string.find(fields, '"max_runs"', 1, true)
end

local answer = {}
for at, key in ipairs(ARGV) do
  -- pcall, because another program may have written another type there.
  local stored = redis.pcall('HMGET', key, 'definition', 'origin', 'pause', 'skip', 'overlay', 'error', 'fields')
  if not stored[1] then
    answer[at] = 'none'
  elseif is_plain(unpack(stored, 2, 7)) then
    answer[at] = stored[2]
  else
    answer[at] = redis.call('HGETALL', key)
  end
end
return answer
