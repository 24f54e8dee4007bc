-- Send a batch of runs: all of it, or nothing where the lock was lost.
-- KEYS: lock, schedule index. ARGV: see _commit_arguments.lua, which is put in front of this.
-- Returns nil when the lock is not ours, and 'older' when Redis came back with older data than the leader has seen.
--   Else it returns one list for each entry that has a run which was not sent. First in the list is the number of the
--   entry, counted from 1. The rest is one of these:
--   * 'changed';
--   * 'broken', and what is wrong with the ledger;
--   * a word for each run: 'sent', 'overlap', 'waiting', or 'no queue' where the queue's key is of another kind.
local step, at = step_at(1)
if step.token ~= '' and redis.call('GET', KEYS[1]) ~= step.token then return false end
if step.token ~= '' then
  local commits = commits_key(step.prefix)
  if tonumber(redis.call('GET', commits) or '0') < tonumber(step.commits) then return 'older' end
  redis.call('INCR', commits)
end

local now = tonumber(step.now)
local limits = {prefix = step.prefix, runs = tonumber(step.runs_kept), ttl = tonumber(step.ttl_ms)}

-- Which run keeps another from running, for a person.
local function in_the_way(open, held)
  local first, all = open[1] or held[1], #open + #held
  return first.id .. (all > 1 and string.format(' and %d more', all - 1) or '') .. ' had not finished'
end

local function skip_run(name, run, reason, detail)
  local row = cjson.decode(run.record)
  record_skip(limits, name, run.id, row.due, row.due, 1, reason, detail, row.manual or row.parent)
  if not row.manual and not row.parent then return end
  -- Who asked for it, or what it follows, must stay known.
  local ledger = ledger_key(limits.prefix, name)
  local skipped = read_run(ledger, run.id)
  skipped.manual, skipped.by, skipped.arguments, skipped.parent = row.manual, row.by, row.arguments, row.parent
  write_run(limits.prefix, ledger, run.id, skipped)
end

-- The open runs of a schedule, without those that no worker took in time: one message that was lost must not hold up
-- every later run.
local function still_open(ledger, text)
  local open = {}
  for _, one in ipairs(open_runs(text)) do
    if one.deadline == 'running' or tonumber(one.deadline) > now then
      open[#open + 1] = one
    else
      local gone = read_run(ledger, one.id)
      if gone and gone.outcome == 'queued' then
        expire(gone, step.now)
        write_run(limits.prefix, ledger, one.id, gone)
        note_end(limits.prefix, ledger, one.id, gone)
        note_expired(limits.prefix, ledger, gone)
        drop_expired(limits.prefix, gone.queue)
        if gone.group then leave_group(limits.prefix, gone.group, one.id) end
      end
    end
  end
  return open
end

-- Asked before anything is written: an error of LPUSH at the end would leave runs in the ledger that no worker ever
-- gets.
local types = {}
local function is_list(queue)
  types[queue] = types[queue] or redis.call('TYPE', (list_of(queue))).ok
  return types[queue] == 'list' or types[queue] == 'none'
end

-- When a run counts as gone that no worker took.
local NO_EXPIRY_S = 7 * 86400 -- as in storage/ledger.py; a test compares them
local function deadline_of(run) return run.expires ~= '' and run.expires or string.format('%d', now + NO_EXPIRY_S) end

-- Runs with the time when they expire, for the leader, which ends them then: see lose.lua.
local expiring = {}
local function note_expiry(run)
  if run.expires == '' then return end
  expiring[#expiring + 1] = run.expires
  expiring[#expiring + 1] = run.id
end

local function send_at_end(run)
  note_expiry(run)
  push_at_end(run.queue, run.id, run.payload)
end

-- Open a run's row. One without a deadline is not among the open runs before a worker takes it, as with
-- `overlap: allow`.
local function open_row(name, ledger, run, record, deadline)
  if deadline then
    redis.call('HSET', ledger, run.id, record, ':last', run.id, ':open', deadline .. ' ' .. run.id)
  else
    redis.call('HSET', ledger, run.id, record, ':last', run.id)
  end
  note_outcome(name, 'queued')
  note_row(string.match(run.record, '^{"due":"([^"]+)"'), run.id)
end

-- Keep a run until what holds it back is over.
local function hold(name, ledger, run, group, held, since)
  local record = run.record
  local one = {id = run.id, queue = run.queue, payload = run.payload, deadline = deadline_of(run), group = group}
  if since then -- only its group holds it back
    local row = cjson.decode(record)
    one.since = since
    wait_for_place(limits.prefix, one, row)
    record = cjson.encode(row)
  end
  held[#held + 1] = one
  open_row(name, ledger, run, record)
  keep_held(ledger, held)
  note_expiry(run)
  return 'waiting'
end

-- An entry's overlap, how many of its runs may be held back, and its group if it has one: 'skip', 'queue 5', 'allow 1
-- warehouse'.
local known_rules = {}
local function rules_of(text)
  local rules = known_rules[text]
  if not rules then
    local overlap, most, group = string.match(text, '^(%l+) ?(%d*) ?(.*)$')
    rules = {overlap = overlap, most = tonumber(most) or 1, group = group ~= '' and group or nil}
    known_rules[text] = rules
  end
  return rules.overlap, rules.most, rules.group
end

-- End what a newer run replaces, or ask its worker to stop it. If a replaced run had a place in the group, or waited
-- for one, the newer run has that from now on. Returns three values: the runs that are still running; since when the
-- replaced run has waited, or nil; and whether there is a place.
local function replace(ledger, open, held, newer, group)
  local why, running, since, has_place = REPLACED .. newer, {}, nil, false
  local function stop_or_ask(one)
    local gone = read_run(ledger, one.id)
    if gone and gone.outcome == 'running' then
      ask_to_stop(limits.prefix, one.id, why)
      running[#running + 1] = one
    end
    if not gone or gone.outcome ~= 'queued' then return end
    stop_run(limits.prefix, one.id, gone, why, step.now)
    write_run(limits.prefix, ledger, one.id, gone)
    note_end(limits.prefix, ledger, one.id, gone)
    redis.call('ZREM', leases_key(limits.prefix), one.id)
    was_claimed(limits.prefix, gone, one.id)
    if gone.group == group and group then
      has_place = redis.call('ZREM', group_key(limits.prefix, group), one.id) == 1 or has_place
      redis.call('ZREM', group_queue_key(limits.prefix, group), one.id)
      since = since or one.since
    elseif gone.group then
      leave_group(limits.prefix, gone.group, one.id)
    end
  end
  for _, one in ipairs(open) do stop_or_ask(one) end
  for _, one in ipairs(held) do stop_or_ask(one) end
  redis.call('HSET', ledger, ':open', open_text(running))
  keep_held(ledger, {})
  return running, since, has_place
end

-- Send one run, or say why not.
local function send(name, ledger, rules, manual, run)
  local record, open_text_now, waiting = unpack(redis.call('HMGET', ledger, run.id, ':open', ':waiting'))
  -- It was sent before the clock was set back: a due instant runs once, whatever the clock says.
  -- A manual run that waited for its time has its row already, and leaves those that wait in this step, so it is sent
  -- once.
  if record and redis.call('ZREM', later_key(limits.prefix), run.id) == 0 then return 'sent' end
  if not is_list(run.queue) then
    if not manual then skip_run(name, run, 'no queue', list_of(run.queue) .. ' is not a list in Redis') end
    return 'no queue'
  end
  local overlap, most, group = rules_of(rules)
  local is_alone = overlap ~= 'allow'
  local open, held = is_alone and still_open(ledger, open_text_now) or {}, waiting and held_runs(waiting) or {}
  local since, has_place
  if overlap == 'replace' and #open + #held > 0 then
    open, since, has_place = replace(ledger, open, held, run.id, group)
    held = {}
  end
  if #open == 0 and (#held == 0 or not is_alone) then
    if not group or has_place or not must_wait(limits.prefix, group) then
      if group then take_place(limits.prefix, group, run.id) end
      open_row(name, ledger, run, run.record, is_alone and deadline_of(run))
      send_at_end(run)
      return 'sent'
    end
    if #held < most then return hold(name, ledger, run, group, held, since or redis_time()) end
  end
  if is_alone then
    redis.call('HSET', ledger, ':open', open_text(open))
    -- The run that waits comes first: it may go now, because an open one has just been given up.
    if release_waiting(limits.prefix, ledger) then
      open = open_runs(redis.call('HGET', ledger, ':open'))
      held = held_runs(redis.call('HGET', ledger, ':waiting'))
    end
  end
  if overlap == 'replace' then return hold(name, ledger, run, group, held) end
  if overlap == 'queue' and #held < most then return hold(name, ledger, run, group, held) end
  if not manual then skip_run(name, run, 'overlap', in_the_way(open, held)) end
  return 'overlap'
end

-- The entry as it shall be after its runs. Its place in the index is set at the end, for the whole batch in one
-- command.
local moved = {}
local function advance(key, entry, due, score, count)
  if #entry.runs > 0 then
    local total = string.format('%d', count)
    local meta = '{"last_run_at": ' .. entry.last_run .. ', "total_run_count": ' .. total .. '}'
    redis.call('HSET', key, 'due', due, 'count', total, 'meta', meta)
  else
    redis.call('HSET', key, 'due', due)
  end
  moved[#moved + 1] = score
  moved[#moved + 1] = key
end

local function end_pause(key, name, definition)
  redis.call('HDEL', key, 'pause')
  redis.pcall('ZREM', paused_key(limits.prefix), name)
  if definition ~= '' then redis.call('HSET', key, 'definition', definition, 'seen', redis.sha1hex(definition)) end
  redis.call('HSET', key, 'revision', next_revision(limits.prefix))
  note_revised(limits.prefix, {name})
end

-- Whether the entry is as beat read it when it decided. A manual run, and one that follows another, have no part in
-- what beat decides: only edits matter.
local function is_as_read(entry, stored, is_apart)
  local revision, due, definition, seen = stored[1], stored[2], stored[3], stored[4]
  if not definition or (revision or '0') ~= entry.revision then return false end
  return is_apart or ((due or '') == entry.due_before and redis.sha1hex(definition) == seen)
end

local function record_stretch(name, ledger, skip)
  local times, is_apart = tonumber(skip.times), skip.is_apart == '1'
  local is_new = record_skip(limits, name, skip.id, skip.due, skip.last, times, skip.reason, skip.detail, is_apart)
  tally('due', times)
  if is_new and skip.reason == 'missed' then note_missed(limits.prefix, ledger, skip) end
  if skip.reason == 'forgotten' then recount(limits.prefix, ledger) end
end

-- Write the skips, send the runs and advance one entry; returns what became of each run, and how many were sent.
local function carry_out(key, ledger, entry, count, is_apart, manual)
  local unusual = entry.unusual
  if unusual then
    for _, skip in ipairs(unusual.skips) do
      -- What follows another run may come again, after a leader that died in between.
      if not (is_apart and redis.call('HEXISTS', ledger, skip.id) == 1) then
        record_stretch(entry.name, ledger, skip)
      end
    end
  end
  local answers, sent = {}, 0
  for number, run in ipairs(entry.runs) do
    answers[number] = send(entry.name, ledger, entry.overlap, manual, run)
    if answers[number] == 'sent' or answers[number] == 'waiting' then sent = sent + 1 end
  end
  if not is_apart then
    tally('due', #entry.runs)
    local due, score = entry.due_after, entry.score
    -- A run that would have been the last of `max_runs` was not sent, so the schedule goes on.
    if unusual and sent < #entry.runs and unusual.score_if_unsent ~= '' then
      due, score = unusual.due_if_unsent, unusual.score_if_unsent
    end
    advance(key, entry, due, score, count + sent)
    if unusual and unusual.resumed == '1' then end_pause(key, entry.name, unusual.definition) end
  end
  tally('sent', sent)
  if #entry.runs > 0 then bound(limits, ledger) end
  return answers, sent
end

-- The error of a Redis that is full, busy or a replica, without what Lua puts around it; nil for damage of a ledger.
local function error_of_redis(fault)
  local code, message = string.match(fault, '(%u%u%u+)( .*)')
  return code and code ~= 'WRONGTYPE' and code ~= 'ERR' and code .. message
end

local answer, number = {}, 0
while at <= #ARGV do
  local entry
  entry, at = entry_at(at)
  number = number + 1
  local key, ledger = limits.prefix .. entry.name, ledger_key(limits.prefix, entry.name)
  local manual = entry.due_after == 'keep'
  local is_apart = manual or entry.due_after == 'apart'
  local stored = redis.call('HMGET', key, 'revision', 'due', 'definition', 'seen', 'count')
  if not is_as_read(entry, stored, is_apart) then
    answer[#answer + 1] = {number, 'changed'}
  else
    local ok, answers, sent = pcall(carry_out, key, ledger, entry, tonumber(stored[5]) or 0, is_apart, manual)
    if not ok then
      -- Another program damaged this ledger. If the step ended here, the runs of other entries would be in their
      -- ledgers and never pushed.
      local fault = type(answers) == 'table' and answers.err or tostring(answers)
      if error_of_redis(fault) then return redis.error_reply(error_of_redis(fault)) end
      answer[#answer + 1] = {number, 'broken', ledger .. ' is damaged: ' .. fault}
    elseif sent < #entry.runs then
      answer[#answer + 1] = {number, unpack(answers)}
    end
  end
end
push_batches(limits.prefix)
if #expiring > 0 then
  in_parts('ZADD', leases_key(limits.prefix), expiring)
  redis.call('EXPIRE', leases_key(limits.prefix), LEASES_TTL_S)
end
if #moved > 0 then in_parts('ZADD', KEYS[2], moved) end
write_tallies(limits.prefix)
write_indexes(limits.prefix)
return answer
