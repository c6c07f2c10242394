-- Shared by all scripts about flights. KEYS[1] is the hash of one slot (gateway/state/redis/flights.py
-- says what is in it). Times are the server's: a clock that jumps ends claims early, never late.

local SILENT = 120    -- seconds after which a flight that its owner does not confirm is not alive
local slot = KEYS[1]
local time = redis.call('TIME')
local seconds = tonumber(time[1])
local milliseconds = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Milliseconds until claims are granted here: 0 now, -1 when `epoch` is not this server's as we know it.
-- A server that is new to us may have lost what it was told: the living say it again meanwhile.
local function opening(epoch, is_sure, closed)
  local known = redis.call('HMGET', slot, '#epoch', '#opens')
  if known[1] == epoch then
    return math.max(0, tonumber(known[2]) - milliseconds)
  end
  if known[1] and is_sure ~= '1' then
    return -1
  end
  redis.call(
    'HSET', slot, '#epoch', epoch, '#opens', milliseconds + tonumber(closed), '#life', milliseconds
  )
  redis.call('HDEL', slot, '#whole', '#seeding')
  return tonumber(closed)
end

-- A flight: when it was confirmed, its number, what it found, the start and the name of its owner.
local function parse(value)
  local since, number, before, start, owner = string.match(value, '^F(%d+) (%d+) (.) (%S+) (.+)$')
  return tonumber(since), number, before, start, owner
end

local function flight(number, before, start, owner)
  return 'F' .. seconds .. ' ' .. number .. ' ' .. before .. ' ' .. start .. ' ' .. owner
end

local function is_alive(since, start, owner)
  local known = redis.call('HGET', slot, '@' .. owner)
  if not known or since + SILENT < seconds then
    return false
  end
  local lives, until_ms = string.match(known, '^(%S+) (%d+)$')
  return lives == start and tonumber(until_ms) > milliseconds
end
