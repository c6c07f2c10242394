-- The hash of a tenant's holds, and what says whether it can be trusted.
--   e      epoch: life of the server and mark of the database that the rest belongs to
--   b      ms: when that began, by which a hold knows in which life it was put in
--   m      1 once the windows were merged with what the records saved
--   ready  ms: no batch is granted before, so that holders can say what they have
--   c, n   how many holds are in the sorted set of leases, and how many of them have a batch
--   t      last number drawn in the line
--   s:<owner>   ms: when that worker last asked for the first of its line
--   r:<window>  octets set aside by all holds
--   h:<hold>    what it has: 1 or 0 batches, ! when its copies may be going out, then a line
--               "<octets> <window>" for each window
--   x:<window>  octets that the dead were sending: still set aside, counted by who looks next
--   x           how many such windows there are
local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The guard's fields, or nil when they are of another life or a key is gone.
local function guard(holds, leases, epoch)
  local found = redis.call('HMGET', holds, 'e', 'm', 'c', 'ready', 'n', 'b', 'x')
  if found[1] ~= epoch or found[2] ~= '1' then return nil end
  if tonumber(found[3]) ~= redis.call('ZCARD', leases) then return nil end
  return {
    ready = tonumber(found[4]), count = tonumber(found[3]), open = tonumber(found[5]),
    life = tonumber(found[6]), has_spent = (tonumber(found[7]) or 0) > 0,
  }
end

local function set_aside(holds, window, octets)
  if octets ~= 0 and redis.call('HINCRBY', holds, 'r:' .. window, octets) <= 0 then
    redis.call('HDEL', holds, 'r:' .. window)
  end
end

-- Takes away all that a hold has; its batches, or nil when there is no such hold.
local function drop(holds, leases, id)
  local record = redis.call('HGET', holds, 'h:' .. id)
  if not record then return nil end
  redis.call('HDEL', holds, 'h:' .. id)
  redis.call('ZREM', leases, id)
  redis.call('HINCRBY', holds, 'c', -1)
  for octets, window in record:gmatch('\n(%d+) ([^\n]+)') do
    set_aside(holds, window, -tonumber(octets))
  end
  if record:sub(1, 1) == '1' then
    redis.call('HINCRBY', holds, 'n', -1)
    return 1
  end
  return 0
end

-- Puts in a hold that is not there.
local function put(holds, leases, id, record, ends)
  redis.call('HSET', holds, 'h:' .. id, record)
  redis.call('ZADD', leases, ends, id)
  redis.call('HINCRBY', holds, 'c', 1)
  for octets, window in record:gmatch('\n(%d+) ([^\n]+)') do
    set_aside(holds, window, tonumber(octets))
  end
  if record:sub(1, 1) == '1' then redis.call('HINCRBY', holds, 'n', 1) end
end

-- Keeps the octets of a dead hold set aside, for nobody knows what of them went out.
local function mourn(holds, record)
  for octets, window in record:gmatch('\n(%d+) ([^\n]+)') do
    set_aside(holds, window, tonumber(octets))
    if redis.call('HINCRBY', holds, 'x:' .. window, octets) == tonumber(octets) then
      redis.call('HINCRBY', holds, 'x', 1)
    end
  end
end

-- Takes away what nobody has renewed in time; how many batches came free, and how many holds went.
local function reap(holds, leases, expired, now)
  local freed = 0
  local dead = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 100)
  for _, id in ipairs(dead) do
    local record = redis.call('HGET', holds, 'h:' .. id)
    freed = freed + (drop(holds, leases, id) or 0)
    local is_sent = record and record:sub(2, 2) == '!'
    if is_sent then mourn(holds, record) end
    redis.call('ZADD', expired, now, is_sent and id .. '!' or id)
  end
  if #dead > 0 then
    redis.call('ZREMRANGEBYSCORE', expired, '-inf', now - 3600000)
  end
  return freed, #dead
end

-- Has no lease end later than `latest`, as after the server's clock was set back.
local function bound(leases, latest)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '(' .. latest, '+inf', 'LIMIT', 0, 100)) do
    redis.call('ZADD', leases, latest, id)
  end
end

-- The first in line whose worker still asks, and how many are in it.
local function first_in_line(holds, line, now)
  while true do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    if not first then return nil, 0 end
    local owner = 's:' .. first:match('^[^.]+')
    local seen = tonumber(redis.call('HGET', holds, owner))
    if seen and math.abs(now - seen) < 1000 then return first, redis.call('ZCARD', line) end
    redis.call('ZREM', line, first)
    redis.call('HDEL', holds, owner)
  end
end
