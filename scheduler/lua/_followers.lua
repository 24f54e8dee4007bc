-- `then`: the schedules whose runs start when a run has ended. This is put behind _ledger.lua.
-- A run's row has them in `followers`: 'success:load failure:tell always:clean'. The step that ends the run puts the
-- runs that follow into <prefix>:followers, a list, oldest first, and the leader sends them. The name of each comes
-- from the run before, so it runs once.
local WHEN = {succeeded = 'success', failed = 'failure', lost = 'failure'}
local MARK_LENGTH = 8 -- of the SHA-1 that tells two runs apart which are followed by the same schedule

-- A run that never began is followed by nothing, unless it failed or was lost.
local function follow(prefix, ledger, id, run)
  local verdict = WHEN[run.outcome]
  local is_stopped = run.outcome == 'stopped' and tonumber(run.attempt or '0') > 0
  local instant = string.match(id, '%d%d%d%d%-%d%d%-%d%dT[^@]*$')
  if not instant or not (verdict or is_stopped) then return end
  local known, all = {}, {}
  for child in string.gmatch(run.children or '', '%S+') do known[child], all[#all + 1] = true, child end
  for when, name in string.gmatch(run.followers, '(%l+):(%S+)') do
    local child = string.format('%s@then-%s-%s', name, string.sub(redis.sha1hex(id), 1, MARK_LENGTH), instant)
    if (when == verdict or when == 'always') and not known[child] then
      known[child], all[#all + 1] = true, child
      redis.call('RPUSH', followers_key(prefix), cjson.encode({id = child, parent = id, at = redis_time()}))
    end
  end
  if #all == 0 then return end
  run.children = table.concat(all, ' ')
  write_run(prefix, ledger, id, run)
  redis.call('EXPIRE', followers_key(prefix), LEASES_TTL_S)
  redis.call('PUBLISH', wake_key(prefix), '1')
end
