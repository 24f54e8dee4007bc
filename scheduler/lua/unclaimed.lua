-- Find the runs whose message left its queue and that no worker claimed. Messages leave a queue in the order in which
-- they came: if a younger message is next, or the queue is empty, the older ones are gone. Another broker only says how
-- many messages wait: if fewer than the runs that no worker claimed, the oldest of these are gone.
-- KEYS: lock, queues. ARGV: token, prefix, seconds for which a worker may hold a message before it claims, how many at
--   most, 1 if the queues are another broker's, then for each of these that is known: queue, number of messages that
--   wait in it.
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
  -- The next message is overdue itself: only what was pushed before it has left the queue.
  if pushed and tonumber(pushed) < overdue_before then return pushed end
  return pushed and string.format('%.6f', overdue_before)
end

local elsewhere, waiting = ARGV[5] == '1', {}
for at = 6, #ARGV, 2 do waiting[ARGV[at]] = tonumber(ARGV[at + 1]) end

-- How many of the oldest runs have left a queue of another broker. What was pushed a moment ago may not be counted
-- there yet.
local function gone_from(queue, sent)
  if not waiting[queue] then return 0 end
  return math.max(redis.call('ZCOUNT', sent, '-inf', redis_time()) - waiting[queue], 0)
end

local function overdue_in(queue, sent)
  local before, most = overdue_before, tonumber(ARGV[4])
  if elsewhere then most = math.min(most, gone_from(queue, sent)) else before = left_before(queue, sent) end
  if not before or most == 0 then return {} end
  return redis.call('ZRANGEBYSCORE', sent, '-inf', '(' .. before, 'WITHSCORES', 'LIMIT', 0, most)
end

local answer = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local sent = sent_key(prefix, queue)
  local first = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')[2]
  if not first then
    redis.call('SREM', KEYS[2], queue)
  elseif tonumber(first) < overdue_before then
    local overdue = overdue_in(queue, sent)
    for i = 1, #overdue, 2 do
      for _, value in ipairs({overdue[i], queue, overdue[i + 1]}) do answer[#answer + 1] = value end
    end
  end
end
return answer
