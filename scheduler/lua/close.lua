-- Write how a run ended, and let go what waits for it.
-- KEYS: none. ARGV: prefix, id, outcome, claim's token, when, until, 1 to write it only while no worker runs it, then what Celery stores of a success: key,
--   value and seconds to keep it, or three times '' for nothing; then field, value…
-- 'queued' means that it will be tried again when it says, and counts as waiting in its queue until then. Returns 1 if it was written:
-- an ended run keeps its end, but one that was given up as lost takes the word of the worker that held it. A run that a person asked
-- to stop has stopped however its body took that, unless it succeeded.
local prefix, id, outcome = ARGV[1], ARGV[2], ARGV[3]
-- As Celery's own backend does it: the first success stays, and who waits for the result is told, whatever the ledger says of the run.
local key, value, seconds = ARGV[8], ARGV[9], tonumber(ARGV[10])
if key ~= '' and redis.call('GETRANGE', key, 0, #'{"status": "SUCCESS"' - 1) ~= '{"status": "SUCCESS"' then
  if seconds and seconds > 0 then redis.call('SETEX', key, ARGV[10], value) else redis.call('SET', key, value) end
  redis.call('PUBLISH', key, value)
end
local ledger = home(prefix, id)
local run = read_run(ledger, id)
if not run then
  -- The row was trimmed while the run was open. It must not hold up the run that waits for it.
  redis.call('ZREM', leases_key(prefix), id)
  forget_open(prefix, ledger, id)
  return 0
end
-- What becomes of a second delivery says nothing of the run: a worker may have claimed it from the first.
if ARGV[7] == '1' and run.outcome ~= 'queued' then return 0 end
local is_open = run.outcome == 'queued' or run.outcome == 'running'
if not is_open and not (run.outcome == 'lost' and ARGV[4] ~= '' and run.claim == ARGV[4]) then return 0 end
run.outcome = outcome
for i = 11, #ARGV, 2 do run[ARGV[i]] = ARGV[i + 1] end
local why = outcome ~= 'succeeded' and asked_to_stop(prefix, id)
if why then
  outcome = 'stopped'
  stop_run(prefix, id, run, why, tonumber(run.finished or '0') > 0 and run.finished or redis_time())
end
if run.reason == 'expired' then expire(run, run.finished) end
write_run(prefix, ledger, id, run)
-- One that counted as lost must not count twice.
if is_open then
  note_end(prefix, ledger, id, run)
else
  redis.pcall('ZREM', went_wrong_key(prefix), id)
  recount(prefix, ledger)
  if run.backfill then redis.pcall('HINCRBY', backfills_key(prefix), name_of(prefix, ledger) .. '\nlost', -1) end
  note_backfilled(prefix, ledger, run)
  if run.followers then follow(prefix, ledger, id, run) end
  note_ping(prefix, name_of(prefix, ledger), id, run, PING_ENDS[run.outcome])
end
note_expired(prefix, ledger, run)
-- A run that no worker began keeps its place there: it still expires, also while a worker holds its message back.
if outcome ~= 'queued' or run.attempt then redis.call('ZREM', leases_key(prefix), id) end
if outcome ~= 'queued' then note_duration(prefix, ledger, id, run) end
if outcome == 'queued' then
  set_open_run(ledger, id, run, ARGV[6])
  if run.queue then note_sent(prefix, run.queue, {ARGV[5], id}) end
else
  was_claimed(prefix, run, id)
  make_way(prefix, ledger, id, run)
end
return 1
