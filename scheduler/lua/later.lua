-- Keep a manual run until its time: a row that is queued, and a place among those that wait, from which the leader
-- sends it.
-- KEYS: none. ARGV: prefix, runs kept, ttl in ms, id, due, now, how many may wait, task, who asks, arguments ('' for
--   its schedule's), why it waits.
-- Returns 'kept', 'taken' where a run of the schedule has that instant already, or 'full'.
local LATER_TTL_S = 400 * 86400 -- a run waits a year at most
local prefix, id, due = ARGV[1], ARGV[4], ARGV[5]
local ledger, later = home(prefix, id), later_key(prefix)
local before = read_run(ledger, id)
if before and not (before.outcome == 'stopped' and not before.attempt) then return 'taken' end
if redis.call('ZCARD', later) >= tonumber(ARGV[7]) then return 'full' end

local run = {due = due, outcome = 'queued', task = ARGV[8], manual = '1', by = ARGV[9]}
if ARGV[10] ~= '' then run.arguments = ARGV[10] end
because(run, 'for later', ARGV[11])
-- It is not ':last', nor open: until its time it says nothing of what its schedule does now, and is in no other run's
-- way.
write_run(prefix, ledger, id, run)
note_row(due, id)
write_indexes(prefix)
bound({prefix = prefix, runs = tonumber(ARGV[2]), ttl = tonumber(ARGV[3])}, ledger)
-- Its row must not expire before its time, however rarely the schedule runs.
local until_then = math.ceil((tonumber(due) - tonumber(ARGV[6])) * 1000)
if redis.call('PTTL', ledger) < until_then + tonumber(ARGV[3]) then
  redis.call('PEXPIRE', ledger, until_then + tonumber(ARGV[3]))
end
redis.call('ZADD', later, due, id)
redis.call('EXPIRE', later, LATER_TTL_S)
redis.call('PUBLISH', wake_key(prefix), '1')
return 'kept'
