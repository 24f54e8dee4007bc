-- Send a run again that has ended, because a person asks for it: it gets one more attempt.
-- KEYS: none. ARGV: prefix, id, now, queue, payload, until, overlap, who asks and why, who asks, its record as that of
--   a new run.
-- Returns nil where there is no such run, 'sent', the outcome of one that is under way or succeeded, 'stretch' for a
-- row of several due instants, 'in the way' where another run of the schedule is in its way, or 'no list' where its
-- queue is a key of another kind.
local prefix, id, now = ARGV[1], ARGV[2], ARGV[3]
local ledger = home(prefix, id)
local run = read_run(ledger, id)
if not run then return false end
if run.outcome == 'queued' or run.outcome == 'running' or run.outcome == 'succeeded' then return run.outcome end
if tonumber(run.count or '1') > 1 then return 'stretch' end

local function is_in_the_way(other) return other.deadline == 'running' or tonumber(other.deadline) > tonumber(now) end
if ARGV[7] ~= 'allow' then
  if redis.call('HEXISTS', ledger, ':waiting') == 1 then return 'in the way' end
  for _, other in ipairs(open_runs(redis.call('HGET', ledger, ':open'))) do
    if is_in_the_way(other) then return 'in the way' end
  end
end
local list = list_of(ARGV[4])
local kind = redis.call('TYPE', list).ok
if kind ~= 'list' and kind ~= 'none' then return 'no list' end

redis.pcall('HDEL', stops_key(prefix), id)
redis.pcall('ZREM', skips_key(prefix), id)
redis.call('ZREM', leases_key(prefix), id)
local again = cjson.decode(ARGV[10])
keep_last_attempt(run)
again.earlier = run.earlier
again.was, again.attempt, again.manual, again.by = run.outcome, run.attempt, run.manual, ARGV[9]
again.parent, again.children = run.parent, run.children -- what followed it already does not follow it again
because(again, 'retried', ARGV[8])
local message = {id = id, queue = ARGV[4], payload = ARGV[5], deadline = ARGV[6], group = again.group}
if again.group and must_wait(prefix, again.group) then
  wait_for_place(prefix, message, again)
  local held = held_runs(redis.call('HGET', ledger, ':waiting'))
  held[#held + 1] = message
  keep_held(ledger, held)
else
  send_held(prefix, ledger, message)
end
write_run(prefix, ledger, id, again)
recount_recent(prefix, ledger, redis.call('HGETALL', ledger))
return 'sent'
