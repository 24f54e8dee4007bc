-- Apply a set of changes to the schedules: all of them, or none if one of the entries was changed meanwhile.
-- KEYS: lock, schedule index, audit log. ARGV: token ('' where no lock is needed), prefix, wake channel, audit length,
--   number of changes, line for the audit log in the place of one for each ('' where each has its own), milliseconds
--   that this may take, prefix of the temporary keys that hold them ('' if they follow here), number of pages there,
--   then each change:
--   name, revision expected ('' for none), operation (add|put|remove), score ('' leaves it), line for the audit log,
--   number of names and values, {field, value}…
-- An addition without fields has them, and a revision, in a hash of its own beside the pages, which only needs its new
--   name; it has no error.
-- A removal with the field 'to' is half of a rename: the history moves to that name.
-- Returns nil when the lock is not ours, 'gone' when the temporary keys have expired, else the names of the entries
--   that were changed meanwhile; if there are none, everything is applied.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local prefix, channel, length = ARGV[2], ARGV[3], ARGV[4]
local total, summary, takes_ms = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local staged, pages = ARGV[8], tonumber(ARGV[9])

-- Nobody can renew the lock while this runs.
local lease_ms = ARGV[1] ~= '' and redis.call('PTTL', KEYS[1])
if lease_ms and lease_ms > 0 then redis.call('PEXPIRE', KEYS[1], math.ceil(lease_ms + takes_ms)) end

-- Whether the additions of a page find none of these keys: one question, where each of 100,000 would be one.
local function finds_none(list, at, key_of)
  local keys = {}
  while at <= #list do
    if list[at + 2] == 'add' then keys[#keys + 1] = key_of(prefix, list[at]) end
    at = at + 6 + tonumber(list[at + 5])
  end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) == 0
end

-- The last argument of the visitor says that this is an addition, and that nothing has the key that it would have.
local function each_change(key_of, visit)
  for page = 1, math.max(pages, 1) do
    local list, at = ARGV, 10
    if pages > 0 then list, at = redis.call('LRANGE', staged .. page, 0, -1), 1 end
    local none = finds_none(list, at, key_of)
    while at <= #list do
      local count = tonumber(list[at + 5])
      visit(list, at, count, none and list[at + 2] == 'add')
      at = at + 6 + count
    end
  end
end

local conflicts, seen = {}, 0
each_change(entry_key, function(list, at, _, is_new)
  seen = seen + 1
  if is_new and list[at + 1] == '' then return end
  local stored = redis.pcall('HMGET', prefix .. list[at], 'revision', 'definition')
  local revision = string.match(stored[1] or '', '^[1-9]%d*$') or ''
  if revision ~= list[at + 1] or (list[at + 2] == 'add' and stored[2]) then
    conflicts[#conflicts + 1] = list[at]
    -- An entry that fell out of the index is in it again when the change is tried again.
    if list[at + 1] == '' then redis.call('ZADD', KEYS[2], 'NX', -1, prefix .. list[at]) end
  end
end)
if #conflicts > 0 then return conflicts end
if seen ~= total then return 'gone' end

-- End the runs that are held back: with their schedule gone, nothing would ever send them. The changes before this one
-- are made already, so a damaged ledger must not end the script here.
local function drop_held(ledger)
  local text = redis.call('HGET', ledger, ':waiting')
  if not text then return end
  redis.call('HDEL', ledger, ':waiting')
  pcall(function()
    for _, one in ipairs(held_runs(text)) do
      if one.group then redis.pcall('ZREM', group_queue_key(prefix, one.group), one.id) end
      local run = read_run(ledger, one.id)
      if run and run.outcome == 'queued' then
        run.outcome, run.finished = 'skipped', redis_time()
        because(run, 'removed')
        write_run(prefix, ledger, one.id, run)
        count_end(prefix, run)
        note_recent(prefix, ledger, one.id, run)
        note_skip(run.due, one.id)
      end
    end
  end)
end

-- Whichever comes first of an heir's own line and the removal of the name before, the later one indexes it.
local function index_stored(name)
  local ledger = ledger_key(prefix, name)
  local ok, health = pcall(read_health, ledger)
  if ok and not health.is_new then index_health(prefix, ledger, health) end
  if ok and redis.call('HEXISTS', ledger, ':recent') == 1 then
    recount_recent(prefix, ledger, redis.call('HGETALL', ledger))
  end
  note_outcome(name, last_outcome(ledger))
end

-- Take what is stored of a schedule's backfill, as in storage/backfills.py, along to its new name, with the counts of
-- runs. Its step is one that no leader knows: the name may have had a backfill before.
local function move_backfill(name, heir)
  local backfills, open = backfills_key(prefix), open_backfills_key(prefix)
  local text, before = redis.call('HGET', backfills, name), redis.call('HGET', backfills, heir)
  local rest, step = string.match(text or '', '^{"name": .-(, "first": .*"step": )(%d+)}$')
  if not rest then return end
  local known = tonumber(string.match(before or '', '"step": (%d+)}$') or '0')
  step = string.format('%d', math.max(tonumber(step), known) + 1)
  local fields = redis.call('HKEYS', backfills)
  for _, counted in ipairs(fields) do
    if string.sub(counted, 1, #heir + 1) == heir .. '\n' then redis.call('HDEL', backfills, counted) end
  end
  for _, counted in ipairs(fields) do
    if string.sub(counted, 1, #name + 1) == name .. '\n' then
      redis.call('HSET', backfills, heir .. string.sub(counted, #name + 1), redis.call('HGET', backfills, counted))
      redis.call('HDEL', backfills, counted)
    end
  end
  redis.call('HSET', backfills, heir, '{"name": ' .. cjson.encode(heir) .. rest .. step .. '}')
  redis.call('HDEL', backfills, name)
  redis.call('SREM', open, name, heir)
  if string.find(rest, '"state": "running"', 1, true) then redis.call('SADD', open, heir) end
end

local heirs = {} -- names that got a ledger in this step
local REMOVED_TTL_S = 30 * 86400 -- for whoever restores it
local MOVED_TTL_S = 366 * 86400 -- for runs that have not ended, and for the indexes of runs: ids keep the old name
local function remove(key, name, heir)
  redis.call('DEL', key)
  redis.call('ZREM', KEYS[2], key)
  local ledger = ledger_key(prefix, name)
  if not heir then
    drop_held(ledger)
    if redis.call('TTL', ledger) < REMOVED_TTL_S then redis.call('EXPIRE', ledger, REMOVED_TTL_S) end
  else
    if redis.call('EXISTS', ledger) == 1 then
      redis.call('RENAME', ledger, ledger_key(prefix, heir))
      heirs[heir] = true
    end
    redis.call('SET', moved_key(prefix, name), heir, 'EX', MOVED_TTL_S)
    pcall(move_backfill, name, heir) -- the keys may be another program's
  end
  leave_indexes(prefix, name)
  if heir then index_stored(heir) end
  local history = history_key(prefix, name)
  if heir and redis.call('EXISTS', history) == 1 then redis.call('RENAMENX', history, history_key(prefix, heir)) end
end

-- Ids for the lines of a large load, which would push the others out of the log: as many as the log would have given,
-- one after the other, from a single line that is deleted again. The summary has the last of them.
local first_id, last_number
local function next_id()
  if not first_id then
    local id = redis.call('XADD', KEYS[3], '*', 'change', '')
    redis.call('XDEL', KEYS[3], id)
    first_id, last_number = string.match(id, '^(%d+)%-(%d+)$')
  end
  last_number = last_number + 1
  return first_id .. '-' .. string.format('%d', last_number)
end

local scores, names = {}, {}
local function flush()
  if #scores > 0 then redis.call('ZADD', KEYS[2], unpack(scores)) end
  note_changed(prefix, names)
  scores, names = {}, {}
end

each_change(ledger_key, function(list, at, count, is_new)
  local name, operation, score, line = list[at], list[at + 2], list[at + 3], list[at + 4]
  local key = prefix .. name
  if operation == 'remove' then
    -- Without a field, the next change begins there.
    remove(key, name, count > 0 and list[at + 7])
  else
    local is_staged = count == 0
    if is_staged then
      redis.call('RENAME', staged .. name, key)
      -- The temporary hash was to expire.
      redis.call('PERSIST', key)
    else
      if operation == 'add' then redis.call('DEL', key) end
      redis.call('HSET', key, 'revision', next_revision(prefix), unpack(list, at + 6, at + 5 + count))
    end
    if not is_staged then index_quarantine(prefix, name, operation == 'add') end
    if is_new and not heirs[name] then
      note_outcome(name, 'new')
    elseif operation == 'add' then -- it may be one that was removed while it failed
      index_stored(name)
    end
    if score ~= '' then
      scores[#scores + 1] = score
      scores[#scores + 1] = key
    end
  end
  names[#names + 1] = name
  if #names == 1000 then flush() end
  if line ~= '' then
    local id = summary ~= '' and next_id()
    note_line(prefix, KEYS[3], length, name, line, id)
  end
end)
if summary ~= '' then redis.call('XADD', KEYS[3], 'MAXLEN', '~', length, next_id(), 'change', summary) end
if #names > 0 then flush() end
write_indexes(prefix)
redis.call('PUBLISH', channel, '1')
return {}
