-- Find the runs whose message left its queue and that no worker claimed. Messages leave a queue in the order in which they came: if a
-- younger message is next, or the queue is empty, the older ones are gone.
-- KEYS: lock, queues. ARGV: token, prefix, seconds for which a worker may hold a message before it claims, how many at most.
-- Returns nil when the lock is not ours, else for each run: id, queue, when it was pushed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local prefix = ARGV[2]
local overdue_before = tonumber(redis_time()) - tonumber(ARGV[3])

-- The time of the push before which no message is in the queue any more, as text; nil if its next message is not ours.
local function left_before(queue, sent)
  local oldest = redis.pcall('LINDEX', queue, -1)
  if not oldest then return string.format('%.6f', overdue_before) end
  local id = type(oldest) == 'string' and string.match(oldest, '"scheduler_run": ?"(.-)"')
  local pushed = id and redis.call('ZSCORE', sent, id)
  if pushed and tonumber(pushed) < overdue_before then return pushed end
  return pushed and string.format('%.6f', overdue_before)
end

local answer = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local sent = sent_key(prefix, queue)
  local first = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')[2]
  if not first then
    redis.call('SREM', KEYS[2], queue)
  elseif tonumber(first) < overdue_before then
    local before = left_before(queue, sent)
    local overdue = before and redis.call('ZRANGEBYSCORE', sent, '-inf', '(' .. before, 'WITHSCORES', 'LIMIT', 0, ARGV[4]) or {}
    for i = 1, #overdue, 2 do
      for _, value in ipairs({overdue[i], queue, overdue[i + 1]}) do answer[#answer + 1] = value end
    end
  end
end
return answer
