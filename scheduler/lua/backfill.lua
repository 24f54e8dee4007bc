-- Send runs of a backfill, and note how far it has come: all of it, or nothing.
-- KEYS: lock. ARGV: token, prefix, runs kept, TTL in ms, commits that the leader knows of, name, the backfill as it was
--   read and as it shall be, outcomes of a row that may run once more (' skipped failed '), text of a stretch of skips
--   to divide ('' for none), id of its first row, that row, id of its second row, that row, then for each run: id,
--   record, queue, payload, id and due instant of the run after it ('' for none).
-- Returns nil when the lock is not ours, else 'older' as commit.lua does, 'changed' where something is not as it was
--   read, 'no list', 'full' where their group has not so many places, or 'done'.
local BACKFILLS_TTL_S = 366 * 86400
local limits, name = {prefix = ARGV[2], runs = tonumber(ARGV[3]), ttl = tonumber(ARGV[4])}, ARGV[6]
local backfills, commits = backfills_key(limits.prefix), commits_key(limits.prefix)
local ledger = ledger_key(limits.prefix, name)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
if tonumber(redis.call('GET', commits) or '0') < tonumber(ARGV[5]) then return 'older' end
if redis.call('HGET', backfills, name) ~= ARGV[7] then return 'changed' end
if ARGV[10] ~= '' and redis.call('HGET', ledger, ARGV[11]) ~= ARGV[10] then return 'changed' end

local runs = {}
for at = 15, #ARGV, 6 do
  local wanted = {
    id = ARGV[at], record = ARGV[at + 1], queue = ARGV[at + 2], payload = ARGV[at + 3], next_id = ARGV[at + 4],
    next_due = ARGV[at + 5]
  }
  local kind = redis.call('TYPE', (list_of(wanted.queue))).ok
  if kind ~= 'list' and kind ~= 'none' then return 'no list' end
  local row = redis.call('HGET', ledger, wanted.id)
  local before = row and read_run(ledger, wanted.id)
  if row and not (before and string.find(ARGV[9], ' ' .. before.outcome .. ' ', 1, true)) then return 'changed' end
  runs[#runs + 1] = wanted
end
local group = runs[1] and cjson.decode(runs[1].record).group
if group then
  local taken = redis.call('ZCARD', group_key(limits.prefix, group))
  if must_wait(limits.prefix, group) or taken + #runs > places_of(limits.prefix, group) then return 'full' end
  for _, wanted in ipairs(runs) do take_place(limits.prefix, group, wanted.id) end
end

-- A stretch that Redis forgot is lost, not skipped.
local function note_stretch(row, id)
  local note = row.outcome == 'skipped' and note_skip or note_row
  note(row['until'], id)
end

-- A stretch of skips has its row at its first due instant: the rest of it goes on from the next one.
local function leave_rest(wanted, before)
  local rest = tonumber(before.count or '1') - 1
  if rest < 1 or wanted.next_id == '' or tonumber(wanted.next_due) > tonumber(before['until'] or '0') then return end
  if redis.call('HEXISTS', ledger, wanted.next_id) == 1 then return end
  before.count, before.due = tostring(rest), wanted.next_due
  redis.call('HSET', ledger, wanted.next_id, cjson.encode(before))
  note_stretch(before, wanted.next_id)
  if redis.call('HGET', ledger, ':last') == wanted.id then redis.call('HSET', ledger, ':last', wanted.next_id) end
end

redis.call('INCR', commits)
redis.call('HSET', backfills, name, ARGV[8])
redis.call('EXPIRE', backfills, BACKFILLS_TTL_S)
if cjson.decode(ARGV[8]).state ~= 'running' then redis.pcall('SREM', open_backfills_key(limits.prefix), name) end
if ARGV[10] ~= '' then
  local second_is_last = redis.call('HGET', ledger, ':last') == ARGV[11]
  redis.call('HSET', ledger, ARGV[11], ARGV[12], ARGV[13], ARGV[14])
  note_stretch(cjson.decode(ARGV[12]), ARGV[11])
  note_stretch(cjson.decode(ARGV[14]), ARGV[13])
  if second_is_last then redis.call('HSET', ledger, ':last', ARGV[13]) end
end
for _, wanted in ipairs(runs) do
  local before, row = read_run(ledger, wanted.id), cjson.decode(wanted.record)
  if before then
    leave_rest(wanted, before)
    keep_last_attempt(before)
    row.attempt, row.was, row.earlier = before.attempt, before.outcome, before.earlier
    redis.pcall('HDEL', stops_key(limits.prefix), wanted.id)
    redis.call('ZREM', leases_key(limits.prefix), wanted.id)
  end
  write_run(limits.prefix, ledger, wanted.id, row)
  note_row(row.due, wanted.id)
  push_at_end(wanted.queue, wanted.id, wanted.payload)
end
push_batches(limits.prefix)
recount_recent(limits.prefix, ledger, redis.call('HGETALL', ledger))
tally('sent', #runs)
write_tallies(limits.prefix)
bound(limits, ledger)
write_indexes(limits.prefix)
for _, wanted in ipairs(runs) do redis.pcall('ZREM', skips_key(limits.prefix), wanted.id) end
return 'done'
