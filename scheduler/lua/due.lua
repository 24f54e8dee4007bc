-- The entries that are due, with the little of each that changes from run to run.
-- KEYS: schedule index. ARGV: now, how many at most, prefix. Returns name, revision, due ('' for none), runs so far.
local answer = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, ARGV[1], 'LIMIT', 0, ARGV[2])) do
  if string.sub(key, 1, #ARGV[3]) ~= ARGV[3] then redis.call('ZREM', KEYS[1], key) end
  local standing = redis.pcall('HMGET', key, 'revision', 'due', 'count')
  answer[#answer + 1] = string.sub(key, #ARGV[3] + 1)
  answer[#answer + 1] = standing[1] or '0'
  answer[#answer + 1] = standing[2] or ''
  answer[#answer + 1] = standing[3] or '0'
end
return answer
