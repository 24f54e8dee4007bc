-- The entries that are due, with the little of each that changes from run to run.
-- KEYS: schedule index. ARGV: now, how many at most, prefix. Returns name, revision, due ('' for none), runs so far;
-- a name without an entry leaves the index, with nothing behind it.
local answer = {}
local function say(...) for _, value in ipairs({...}) do answer[#answer + 1] = value end end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local name = string.sub(key, #ARGV[3] + 1)
  local standing = redis.pcall('HMGET', key, 'revision', 'due', 'count')
  local is_entry = standing[1] or redis.pcall('HEXISTS', key, 'definition') == 1
  if is_entry and ARGV[3] .. name == key then
    say(name, standing[1] or '0', standing[2] or '', standing[3] or '0')
  else
    redis.call('ZREM', KEYS[1], key)
    say(name, '', '', '')
  end
end
return answer
