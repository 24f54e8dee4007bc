-- Take a run before its body starts.
-- KEYS: none. ARGV: prefix, runs kept, TTL in ms, id, now, worker, lease's end, due, task, task id, token,
--   1 for a message that Celery's broker delivers again.
-- Returns 'claimed', the outcome that the run has already, or 'forgotten' where it ended so long ago that its record is
--   trimmed, or Redis lost its record. The same token may claim again.
local SOON_S = 60
local limits = {prefix = ARGV[1], runs = tonumber(ARGV[2]), ttl = tonumber(ARGV[3])}
local id = ARGV[4]
local ledger, run, last, open = find_run(limits.prefix, id, ':last', ':open')
if run and run.outcome == 'running' and run.claim == ARGV[11] then return 'claimed' end
if run and run.outcome ~= 'queued' then return run.outcome end
-- Up to the floor every run has ended and its row was trimmed: this message is a copy of one that ran.
local floor = not run and ARGV[12] == '1' and redis.call('HGET', ledger, ':floor')
if floor and tonumber(ARGV[8]) <= tonumber(floor) then return 'forgotten' end
local older = not run and redis.call('GET', forgotten_key(limits.prefix))
if older and tonumber(ARGV[8]) <= tonumber(older) then return 'forgotten' end
-- First of all that is written: if another program's key is in its place, the run still waits.
redis.call('ZADD', leases_key(limits.prefix), ARGV[7], id)
-- Every key but those of the schedules ends by itself.
redis.call('EXPIRE', leases_key(limits.prefix), LEASES_TTL_S)
-- Without a record: it was lost with its Redis, and the message lived on elsewhere.
if not run then
  run, last = {due = ARGV[8], task = ARGV[9], task_id = ARGV[10]}, id
  redis.call('HSET', ledger, ':last', id)
  add_to_index(runs_key(limits.prefix), {tonumber(run.due) or 0, id})
end
run.outcome, run.worker, run.claim = 'running', ARGV[6], ARGV[11]
if run.reason == 'retrying' then because(run) end -- it waits no longer
run.started = run.started or ARGV[5]
run.attempt = tostring(tonumber(run.attempt or '0') + 1)
if run.attempt ~= '1' then run.began = ARGV[5] end
redis.call('HSET', ledger, id, cjson.encode(run), ':open', open_with(open, id, place_of(run, 'running')))
if last == id then index_outcome(limits.prefix, ledger, run) end
if run.attempt == '1' then
  count_start(limits.prefix, run)
  note_ping(limits.prefix, name_of(limits.prefix, ledger), id, run, 'start')
  note_begun(limits.prefix, id, run)
end
-- One that was given up and runs all the same counts again.
if run.group then
  take_place(limits.prefix, run.group, id)
end
was_claimed(limits.prefix, run, id)
note_taken(limits.prefix, ledger)
-- The step that sent it has bounded the ledger.
local sent = tonumber(run.sent or '')
if not sent or math.abs(ARGV[5] - sent) > SOON_S then bound(limits, ledger) end
return 'claimed'
