-- Runs that are held back: by the run before, with `overlap: queue`, or by their group, which has only so many places.
-- This is put behind _ledger.lua. A ledger's ':waiting' has their messages, oldest first: {id, queue, payload,
-- deadline}, with `group` if there is one, and `since` once only the group holds the run back; a list only of several,
-- as an older release reads only one.

local function held_runs(text)
  local held = text and cjson.decode(text) or {}
  return held.id and {held} or held
end

local function keep_held(ledger, held)
  if #held == 0 then return redis.call('HDEL', ledger, ':waiting') end
  redis.call('HSET', ledger, ':waiting', cjson.encode(#held == 1 and held[1] or held))
end

-- Take a run out of what its ledger holds back; nil if it is not there.
local function take_held(ledger, id)
  local held = held_runs(redis.call('HGET', ledger, ':waiting'))
  for at, one in ipairs(held) do
    if one.id == id then
      table.remove(held, at)
      keep_held(ledger, held)
      return one
    end
  end
end

-- How many runs of a group may be under way at once, as the file says; one where Redis lost what it said.
local function places_of(prefix, group)
  local is_json, groups = pcall(cjson.decode, redis.call('HGET', file_key(prefix), 'groups') or '')
  return is_json and type(groups) == 'table' and tonumber(groups[group]) or 1
end

local function is_full(prefix, group)
  return redis.call('ZCARD', group_key(prefix, group)) >= places_of(prefix, group)
end

-- Whether a run that comes now has to wait: those that came before it go first.
local function must_wait(prefix, group)
  return redis.call('EXISTS', group_queue_key(prefix, group)) == 1 or is_full(prefix, group)
end

local function take_place(prefix, group, id)
  redis.call('ZADD', group_key(prefix, group), redis_time(), id)
  redis.call('EXPIRE', group_key(prefix, group), LEASES_TTL_S)
end

-- Note that only its group holds a run back, since when, and why in its row.
local function wait_for_place(prefix, held, run)
  held.since = held.since or redis_time()
  redis.call('ZADD', group_queue_key(prefix, held.group), held.since, held.id)
  redis.call('EXPIRE', group_queue_key(prefix, held.group), LEASES_TTL_S)
  if run then because(run, 'group full', string.format("it had to wait for a place in group '%s'", held.group)) end
end

local function send_held(prefix, ledger, held)
  if held.group then take_place(prefix, held.group, held.id) end
  set_open(ledger, held.id, held.deadline)
  push(prefix, held.queue, held.id, held.payload)
end

-- Let the run go that waits for the run before, once no other of its schedule is queued or running. Returns whether it
-- was pushed.
local function release_waiting(prefix, ledger)
  local text = redis.call('HGET', ledger, ':waiting')
  if not text or #open_runs(redis.call('HGET', ledger, ':open')) > 0 then return false end
  local held = held_runs(text)
  local first = held[1]
  if not first or first.since then return false end
  if first.group and must_wait(prefix, first.group) then
    local run = read_run(ledger, first.id)
    wait_for_place(prefix, first, run)
    keep_held(ledger, held)
    if run then write_run(prefix, ledger, first.id, run) end
    return false
  end
  table.remove(held, 1)
  keep_held(ledger, held)
  send_held(prefix, ledger, first)
  return true
end

-- Give the free places of a group to the runs that have waited longest.
local function fill_places(prefix, group)
  while not is_full(prefix, group) do
    local id = redis.call('ZPOPMIN', group_queue_key(prefix, group))[1]
    if not id then return end
    local ledger = home(prefix, id)
    local held = take_held(ledger, id)
    if held then send_held(prefix, ledger, held) end
  end
end

local function leave_group(prefix, group, id)
  redis.call('ZREM', group_key(prefix, group), id)
  redis.call('ZREM', group_queue_key(prefix, group), id)
  fill_places(prefix, group)
end

-- A run is over, and no longer among the open ones: let go what it held back. The run that waits for it comes last in
-- the group.
-- pcall: one damaged ledger of another schedule in the group must not end a script halfway.
local function let_others_go(prefix, ledger, id, run)
  local is_released = release_waiting(prefix, ledger)
  if run and run.group then pcall(leave_group, prefix, run.group, id) end
  return is_released
end

-- The same for a run that is over, or its row gone.
local function make_way(prefix, ledger, id, run)
  set_open(ledger, id, nil)
  return let_others_go(prefix, ledger, id, run)
end

-- Let go a run that ended before a worker took it; returns whether it was held back until now.
local function let_go(prefix, ledger, id, run)
  was_claimed(prefix, run, id)
  local is_held = take_held(ledger, id) ~= nil
  make_way(prefix, ledger, id, run)
  return is_held
end

-- Close a run whose record was trimmed while it was open: otherwise the run that waits for it would never be sent.
local function forget_open(prefix, ledger, id)
  if redis.call('HEXISTS', ledger, ':open') == 1 then make_way(prefix, ledger, id) end
end
