-- The attempts of a run before the one that its row tells of. This is put behind _ledger.lua.
-- A row has them in `earlier`, the newest last, each as the texts of an Attempt: number, started, ended, worker,
-- outcome, error. They are lists without names, because others look for the names of a row's own fields in its text.
-- The row of a run with one attempt has none.
local MAX_EARLIER = 20
local MAX_ERROR_BYTES = 200

-- What another program wrote in its place must not end a script halfway.
local function earlier_of(run)
  local earlier = run.earlier
  return type(earlier) == 'table' and type(earlier[#earlier]) == 'table' and earlier or {}
end

local function first_line(text)
  local line = string.match(text or '', '^[^\n]*')
  if #line <= MAX_ERROR_BYTES then return line end
  -- Without the last character, which may be cut in two.
  return (string.gsub(string.sub(line, 1, MAX_ERROR_BYTES), '[\192-\255]?[\128-\191]*$', '')) .. '…'
end

-- Keep how the attempt ended that a row tells of, before the next one takes its place there.
local function keep_attempt(run, outcome, ended, error)
  local earlier = earlier_of(run)
  if not run.attempt or #earlier > 0 and earlier[#earlier][1] == run.attempt then return end
  local started = run.attempt == '1' and run.started or run.began or '0'
  earlier[#earlier + 1] = {run.attempt, started, ended or '0', run.worker or '', outcome, first_line(error)}
  if #earlier > MAX_EARLIER then table.remove(earlier, 1) end
  run.earlier = earlier
end

-- The same for one whose run had ended, because a person lets it run again.
local function keep_last_attempt(run)
  local error = run.outcome == 'failed' and run.result or run.outcome ~= 'succeeded' and run.detail
  keep_attempt(run, run.outcome, run.finished, error or '')
end

-- Forget how the attempt of a row ended: its body went on, and says itself how.
local function forget_attempt(run)
  local earlier = earlier_of(run)
  if #earlier > 0 and earlier[#earlier][1] == run.attempt then table.remove(earlier) end
  run.earlier = #earlier > 0 and earlier or nil -- an empty list would be written as an empty object
end
