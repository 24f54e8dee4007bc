-- What several scripts need of the ledger. It is put in front of each of them.
-- A run is a hash under <prefix>:run:<id>; <prefix>:ledger:<name> orders a schedule's runs by due instant;
-- <prefix>:open:<name> holds those that are queued or running, scored with the time when a queued one counts as gone;
-- <prefix>:leases holds every running one, scored with the time until which its worker answers for it.

local function run_key(prefix, id) return prefix .. ':run:' .. id end
local function ledger_key(prefix, name) return prefix .. ':ledger:' .. name end
local function open_key(prefix, name) return prefix .. ':open:' .. name end
local function leases_key(prefix) return prefix .. ':leases' end
local function waiting_key(prefix, name) return prefix .. ':waiting:' .. name end

-- One counter for all entries: a name that was removed and made again never meets its old revision.
local function next_revision(prefix) return redis.call('INCR', prefix .. ':revision') end

local function keep(limits, name, id, due)
  local ledger = ledger_key(limits.prefix, name)
  redis.call('PEXPIRE', run_key(limits.prefix, id), limits.ttl)
  redis.call('ZADD', ledger, due, id)
  redis.call('PEXPIRE', ledger, limits.ttl)
  if redis.call('ZCARD', ledger) > limits.runs then
    local oldest = redis.call('ZPOPMIN', ledger)
    redis.call('DEL', run_key(limits.prefix, oldest[1]))
  end
end

local function record_skip(limits, name, id, due, last, count, reason, detail)
  local latest = redis.call('ZREVRANGE', ledger_key(limits.prefix, name), 0, 0)[1]
  if latest then
    local key = run_key(limits.prefix, latest)
    local was = redis.call('HMGET', key, 'outcome', 'reason', 'detail')
    if was[1] == 'skipped' and was[2] == reason and was[3] == detail then
      redis.call('HINCRBY', key, 'count', count)
      redis.call('HSET', key, 'until', last)
      redis.call('PEXPIRE', key, limits.ttl)
      redis.call('PEXPIRE', ledger_key(limits.prefix, name), limits.ttl)
      return
    end
  end
  redis.call('HSET', run_key(limits.prefix, id), 'schedule', name, 'due', due, 'until', last,
    'outcome', 'skipped', 'reason', reason, 'detail', detail, 'count', count)
  keep(limits, name, id, due)
end

-- Push what `overlap: queue` held back, once nothing of the schedule is queued or running any more.
local function release_waiting(limits, name)
  local open = open_key(limits.prefix, name)
  if redis.call('ZCARD', open) > 0 then return false end
  local waiting = waiting_key(limits.prefix, name)
  local held = redis.call('HMGET', waiting, 'id', 'queue', 'payload', 'deadline')
  if not held[1] then return false end
  redis.call('DEL', waiting)
  redis.call('ZADD', open, held[4], held[1])
  redis.call('PEXPIRE', open, limits.ttl)
  redis.call('LPUSH', held[2], held[3])
  return true
end
