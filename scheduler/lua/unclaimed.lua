-- Runs that no worker claimed though their message left its queue: messages leave in the order in which they came, and a younger
-- one is next, or none.
-- KEYS: lock, queues. ARGV: token, prefix, seconds for which a worker may hold a message before it claims, how many at most.
-- Returns nil when the lock is not ours, else for each run: id, queue, when it was pushed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local prefix = ARGV[2]
local patient_since = tonumber(redis_time()) - tonumber(ARGV[3])

-- The time before which nothing can be in the queue any more, as text; nil where that cannot be told.
local function left_before(queue, sent)
  local oldest = redis.pcall('LINDEX', queue, -1)
  if not oldest then return string.format('%.6f', patient_since) end
  local id = type(oldest) == 'string' and string.match(oldest, '"scheduler_run": ?"(.-)"')
  local pushed = id and redis.call('ZSCORE', sent, id)
  if pushed and tonumber(pushed) < patient_since then return pushed end
  return pushed and string.format('%.6f', patient_since)
end

local answer = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local sent = sent_key(prefix, queue)
  local first = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')[2]
  if not first then
    redis.call('SREM', KEYS[2], queue)
  elseif tonumber(first) < patient_since then
    local before = left_before(queue, sent)
    local found = before and redis.call('ZRANGEBYSCORE', sent, '-inf', '(' .. before, 'WITHSCORES', 'LIMIT', 0, ARGV[4]) or {}
    for i = 1, #found, 2 do
      for _, value in ipairs({found[i], queue, found[i + 1]}) do answer[#answer + 1] = value end
    end
  end
end
return answer
