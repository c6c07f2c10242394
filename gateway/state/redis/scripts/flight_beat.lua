-- uses: flight_slot
-- Say that an owner lives, and again what it has. ARGV: epoch, is_sure, closed ms, owner, start, ms that
-- this is true for, seconds to keep, then entry, number, what it found for each flight.
-- Gives ms until this slot opens (-1: another epoch) and, when the caller is to seed it, which life
-- of it that is for, else 0.

local SWEPT = 10      -- fields looked at in each beat, for being too old
local SEEDING = 60000 -- milliseconds for seeding, before another owner may try

local left = opening(ARGV[1], ARGV[2], ARGV[3])
if left < 0 then
  return {left, 0}
end
local owner, start, keep = ARGV[4], ARGV[5], tonumber(ARGV[7])
redis.call('HSET', slot, '@' .. owner, start .. ' ' .. (milliseconds + tonumber(ARGV[6])))
for i = 8, #ARGV, 3 do
  local name = '=' .. ARGV[i]
  local value = redis.call('HGET', slot, name)
  local is_due = not value or string.sub(value, 1, 1) ~= 'F'
  if not is_due then
    local since, number, _, theirs, whose = parse(value)
    local is_mine = number == ARGV[i + 1] and theirs == start and whose == owner
    is_due = is_mine and since + SILENT / 2 < seconds
  end
  if is_due then
    redis.call('HSET', slot, name, flight(ARGV[i + 1], ARGV[i + 2], start, owner))
  end
end
local cursor = redis.call('HGET', slot, '#cursor') or '0'
local scanned = redis.call('HSCAN', slot, cursor, 'COUNT', SWEPT)
for i = 1, #scanned[2], 2 do
  local name, value = scanned[2][i], scanned[2][i + 1]
  local kind, since = string.sub(name, 1, 1), nil
  if kind == '=' then
    since = string.match(value, '^[FSUE](%d+)')
  elseif kind == '@' then
    since = tonumber(string.match(value, ' (%d+)$')) / 1000
  end
  if since and since + keep < seconds then
    redis.call('HDEL', slot, name)
  end
end
redis.call('HSET', slot, '#cursor', scanned[1])
local marks = redis.call('HMGET', slot, '#whole', '#seeding', '#life')
if left == 0 and not marks[1] and (not marks[2] or tonumber(marks[2]) < milliseconds) then
  redis.call('HSET', slot, '#seeding', milliseconds + SEEDING)
  return {left, marks[3]}
end
return {left, 0}
