-- Rolling windows, bucket for bucket those of gateway/state/window.py: at most 288 buckets of whole
-- seconds. Hash: t = total, o = oldest bucket that may be there, l = latest; others: bucket number
-- -> amount. Every elapsed bucket is looked at once, whenever that is.
local BUCKETS = 288

local function open_window(key, seconds, now)
  local width = math.ceil(seconds / BUCKETS)
  local current = math.floor(now / width)
  local head = redis.call('HMGET', key, 't', 'o', 'l', current)
  local w = {
    key = key, seconds = seconds, width = width, length = math.ceil(seconds / width),
    current = current, total = tonumber(head[1]) or 0, oldest = tonumber(head[2]),
    latest = tonumber(head[3]), amount = tonumber(head[4]) or 0,
  }
  local gone = current - w.length
  if w.latest and w.latest <= gone then
    redis.call('DEL', key)
    w.total, w.oldest, w.latest, w.amount = 0, nil, nil, 0
  elseif w.oldest and w.oldest <= gone then
    local fields = {}
    for bucket = w.oldest, gone do fields[#fields + 1] = bucket end
    for _, amount in ipairs(redis.call('HMGET', key, unpack(fields))) do
      if amount then w.total = w.total - tonumber(amount) end
    end
    redis.call('HDEL', key, unpack(fields))
    w.oldest = gone + 1
    redis.call('HSET', key, 't', w.total, 'o', w.oldest)
  end
  return w
end

-- Adds to the current bucket, or to the latest when the clock stands behind it. `dirty` is the set
-- of what the records do not have yet; without it the window is of no tenant and ends by itself.
local function add(w, amount, name, dirty)
  if amount == 0 then return end
  local bucket, before = w.current, w.amount
  if w.latest and w.latest > bucket then
    bucket = w.latest
    before = tonumber(redis.call('HGET', w.key, bucket)) or 0
  end
  w.total = w.total + amount
  if bucket == w.current then w.amount = before + amount end
  if bucket == w.latest then
    redis.call('HSET', w.key, bucket, before + amount, 't', w.total)
  else
    w.latest = bucket
    w.oldest = w.oldest or bucket
    redis.call('HSET', w.key, bucket, before + amount, 't', w.total, 'l', bucket, 'o', w.oldest)
    if not dirty then redis.call('EXPIRE', w.key, 2 * w.seconds) end
  end
  if dirty then
    redis.call('SADD', dirty, w.seconds .. ' ' .. bucket * w.width .. ' ' .. name)
  end
end

-- When (Unix s) at least `excess` will have left; what is not in yet leaves last.
local function free_at(w, excess)
  if w.oldest then
    local fields = {}
    for bucket = w.oldest, w.latest do fields[#fields + 1] = bucket end
    for place, amount in ipairs(redis.call('HMGET', w.key, unpack(fields))) do
      excess = excess - (tonumber(amount) or 0)
      if excess <= 0 then return (fields[place] + w.length) * w.width end
    end
  end
  return (w.current + w.length) * w.width
end
