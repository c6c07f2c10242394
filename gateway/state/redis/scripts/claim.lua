-- uses: guard, window, spend
-- Counts notes, grants claims in their order, and names the mailing.
--
-- KEYS  holds, leases, line, expired, mailings, dirty, then a window for each claim that has one and
--       for each note, in order
-- ARGV  epoch, generation, now (Unix s), time to live (ms), hold, what it knows of itself (1: it
--       is in line, 2: it holds something), stream ('' when the mailing is known), new mailing,
--       ended mailing, when the transaction began (Unix s), number of claims, then for each: kind
--       (b, o, s: octets that go out now, c), window's name, base, each, units, limit, seconds,
--       is_observed, wants_to_wait; then for each note: window's name, count, seconds
-- gives {state, open, waiting, mailing, ms left, life, units, kind of shortage, used, free_at, ...}
--       state 0 done, 1 wait (the claim at the end of the answers is for a batch and is in line),
--       2 the guard is broken, 3 not before `ms left`
local holds, leases, line, expired = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mailings, dirty = KEYS[5], KEYS[6]
local now, ttl, id = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local count = tonumber(ARGV[11])

local g = guard(holds, leases, ARGV[1] .. ':' .. ARGV[2])
if not g then return { 2 } end
local ms = server_ms()
local has_batch_claim = false
for place = 0, count - 1 do
  has_batch_claim = has_batch_claim or ARGV[12 + place * 9] == 'b'
end
if has_batch_claim and ms < g.ready then
  if g.ready > ms + ttl then
    g.ready = ms + ttl  -- the clock was set back
    redis.call('HSET', holds, 'ready', g.ready)
  end
  return { 3, 0, 0, '', g.ready - ms }
end
if g.count > 0 then
  local batches, dead = reap(holds, leases, expired, ms)
  g.open, g.count = g.open - batches, g.count - dead
end
local first, waiting = first_in_line(holds, line, ms)

local record = redis.call('HGET', holds, 'h:' .. id)
-- What it holds must be put in again, or is lost: begun anew here it would have no batch.
if not record and ARGV[6] == '2' then return { 2 } end
local is_new = not record
local has_batch = record and record:sub(1, 1) == '1'
local mine, names = {}, {}
if record then
  for octets, window in record:gmatch('\n(%d+) ([^\n]+)') do
    mine[window] = tonumber(octets)
    names[#names + 1] = window
  end
end

-- Notes count before claims do; their windows are the last of KEYS.
local at = 12 + count * 9
local notes = (#ARGV - at + 1) / 3
for place = 0, notes - 1 do
  local w = open_window(KEYS[#KEYS - notes + 1 + place], tonumber(ARGV[at + 2]), now)
  add(w, tonumber(ARGV[at + 1]), ARGV[at], dirty)
  at = at + 3
end

local answer = { 0, 0, 0, '', 0, g.life }
local function say(units, kind, used, free)
  local last = #answer
  answer[last + 1], answer[last + 2], answer[last + 3], answer[last + 4] = units, kind, used, free
end

-- Shortage for `more` of a request of `whole`: 1 with a time, 2 when it can never fit.
local function say_short(units, w, used, more, whole, limit)
  if whole > limit then
    say(units, 2, used, 0)
  else
    say(units, 1, used, free_at(w, used + more - limit))
  end
end

local function claim_batch(limit, wants_to_wait)
  if has_batch then
    say(1, 0, 0, 0)
    return 1
  end
  if g.open < limit and (first == nil or first == id) then
    if first then waiting = waiting - redis.call('ZREM', line, id) end
    has_batch = true
    g.open = g.open + 1
    say(1, 0, 0, 0)
    return 1
  end
  bound(leases, ms + ttl)
  if wants_to_wait then
    redis.call('HSET', holds, 's:' .. id:match('^[^.]+'), ms)
    if ARGV[6] == '0' or not redis.call('ZSCORE', line, id) then
      waiting = waiting + redis.call('ZADD', line, redis.call('HINCRBY', holds, 't', 1), id)
    end
    answer[1] = 1
    return nil
  end
  if first then waiting = waiting - redis.call('ZREM', line, id) end
  say(0, 2, g.open, 0)
  return 0
end

local function claim_octets(w, name, base, each, units, limit)
  local reserved = tonumber(redis.call('HGET', holds, 'r:' .. name)) or 0
  local used = w.total + reserved
  local had = mine[name]
  local has = had or 0
  -- Octets that this hold may have in all; what it has already always fits.
  local room = limit - used + has
  if had and room < has then room = has end
  local granted = units
  if units > 0 and each > 0 then
    granted = math.max(0, math.min(units, math.floor((room - base) / each)))
  elseif base > room then
    granted = 0
  end
  local fits = math.max(base + granted * each, has) <= room
  if units > 0 and granted == 0 then fits = false end
  if fits then
    local whole = math.max(base + granted * each, has)
    if not had then
      names[#names + 1] = name
    end
    mine[name] = whole
    set_aside(holds, name, whole - has)
    used = used + whole - has
    has = whole
  end
  if fits and granted == units then
    say(granted, 0, used, 0)
  else
    local whole = math.max(base + (units > 0 and granted + 1 or 0) * each, has)
    say_short(granted, w, used, whole - has, whole, limit)
  end
  return granted, not (fits and granted == units)
end

local function claim_count(w, name, units, limit)
  local used = w.total
  local granted = math.max(0, math.min(units, limit - used))
  if granted > 0 then add(w, granted, name, dirty) end
  if granted == units and (units > 0 or used < limit) then
    say(granted, 0, w.total, 0)
    return granted, false
  end
  say_short(granted, w, w.total, 1, 1, limit)
  return granted, true
end

local is_sent = record and record:sub(2, 2) == '!'
local cap = math.huge
local next_key = 7
for place = 0, count - 1 do
  local at = 12 + place * 9
  local kind, name = ARGV[at], ARGV[at + 1]
  local units = math.min(tonumber(ARGV[at + 4]), cap)
  local limit, seconds = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local is_observed = ARGV[at + 7] == '1'
  local granted, is_short
  if kind == 'b' then
    granted = claim_batch(limit, ARGV[at + 8] == '1')
    if granted == nil then break end
    is_short = granted == 0
  else
    local w = open_window(KEYS[next_key], seconds, now)
    next_key = next_key + 1
    if kind ~= 'c' then
      spend(g, holds, w, name, dirty)
      local base, each = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
      granted, is_short = claim_octets(w, name, base, each, units, limit)
      is_sent = is_sent or (kind == 's' and not is_short)
    else
      granted, is_short = claim_count(w, name, units, limit)
    end
  end
  if is_short and not is_observed then
    if granted == 0 then break end
    cap = math.min(cap, granted)
  end
end

if has_batch or #names > 0 then
  local made = { (has_batch and '1' or '0') .. (is_sent and '!' or '') }
  for _, name in ipairs(names) do made[#made + 1] = string.format('%.0f %s', mine[name], name) end
  local changed = table.concat(made, '\n')
  if is_new then g.count = g.count + 1 end
  if changed ~= record then
    redis.call('HSET', holds, 'h:' .. id, changed, 'c', g.count, 'n', g.open)
  end
  redis.call('ZADD', leases, ms + ttl, id)
end

if ARGV[7] ~= '' then
  local day, six_hours, began = 86400, 21600, tonumber(ARGV[10])
  local found = redis.call('HGET', mailings, ARGV[7])
  local mailing, started, last
  if found then mailing, started, last = found:match('^(%S+) (%S+) (%S+)$') end
  local was_at = last and tonumber(last) or 0
  if not mailing or mailing == ARGV[9] or began - tonumber(last) >= six_hours
      or began - tonumber(started) >= 7 * day then
    mailing, started, last = ARGV[8], ARGV[10], ARGV[10]
  elseif tonumber(last) < began then
    last = ARGV[10]
  end
  -- To the second is enough for a gap of hours.
  if mailing == ARGV[8] or tonumber(last) - was_at >= 1 then
    redis.call('HSET', mailings, ARGV[7], mailing .. ' ' .. started .. ' ' .. last)
    redis.call('SADD', dirty, 'm ' .. ARGV[7])
  end
  answer[4] = mailing
end

answer[2], answer[3] = g.open, waiting
return answer
