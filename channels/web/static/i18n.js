// Every word the page says, in both languages, and the functions that put them there.

export const STRINGS = {
  zh: {
    skip: "跳到输入框",
    language: "界面语言",
    phones: "紧急电话",
    call: "拨打 {number}，{name}",
    contact: "人工",
    log: "对话记录",
    alerts: "当前预警与通知",
    label: "请输入您的问题",
    placeholder: "请输入您的问题…",
    send: "发送",
    hint: "Enter 发送，Shift+Enter 换行",
    count: "{used}/{limit} 字",
    over: "超出 {over} 字，请缩短或分次发送。",
    empty: "请先输入内容。",
    fresh: "新对话",
    erase: "删除对话",
    eraseTitle: "删除这次对话？",
    eraseText: "服务器上的全部消息、记录和评价都会被彻底删除，无法恢复。",
    eraseYes: "彻底删除",
    cancel: "取消",
    erased: "对话已彻底删除。",
    started: "已开始新对话。",
    expired: "原对话已不存在，已为您新建对话。",
    you: "您说：",
    bot: "{name}答：",
    news: "{name}的新消息：",
    greeting: "您好，我是{city}的城市助手“{name}”。",
    introduction: "办事、公交、图书馆、社保、报修……中文、英文都可以问。回答注明出处，最终以主管部门的答复为准。请勿输入身份证号、银行卡号。",
    suggestions: "您可以这样问",
    choices: "可选项",
    sources: "出处",
    newTab: "（在新窗口打开）",
    typing: "正在为您查询…",
    offline: "连接已断开。您的消息已保存，恢复后会自动发送。",
    reconnecting: "正在重新连接…",
    waiting: "待发送",
    failed: "未能发送",
    inReply: "答复：",
    up: "有帮助",
    down: "没有帮助",
    rate: "评价这条回答",
    thanks: "谢谢您的评价。",
    comment: "哪里需要改进？（选填）",
    commentSend: "提交意见",
    commentSkip: "不填了",
    commentThanks: "意见已收到，谢谢。",
    image: "回答配图",
    close: "关闭对话窗口",
    problem: "出了点问题，请稍后再试。",
    position: "共享我的位置",
    photo: "发送照片",
    positionWait: "正在定位…",
    positionDenied: "没有得到定位许可。可以直接用文字说明地点。",
    positionFailed: "没能定位。可以直接用文字说明地点。",
    photoWait: "正在上传照片…",
    photoSent: "📷 照片",
  },
  en: {
    skip: "Skip to the text box",
    language: "Language",
    phones: "Emergency",
    call: "Call {number}, {name}",
    contact: "Hotline",
    log: "Conversation",
    alerts: "Warnings and notices in force",
    label: "Your question",
    placeholder: "Type your question…",
    send: "Send",
    hint: "Enter sends, Shift+Enter starts a new line",
    count: "{used} of {limit}",
    over: "{over} characters too many: shorten it or send it in parts.",
    empty: "Type something first.",
    fresh: "New chat",
    erase: "Erase chat",
    eraseTitle: "Erase this conversation?",
    eraseText: "All messages, records and ratings are deleted from the server for good. This cannot be undone.",
    eraseYes: "Erase for good",
    cancel: "Cancel",
    erased: "The conversation has been erased.",
    started: "A new conversation has begun.",
    expired: "The earlier conversation no longer exists; a new one has begun.",
    you: "You said: ",
    bot: "{name} answered: ",
    news: "New message from {name}: ",
    greeting: "Hello, I am {name}, the assistant of {city}.",
    introduction: "Permits, buses, libraries, insurance, repairs… ask in Chinese or English. Answers name their source; the responsible office has the last word. Leave out ID and bank card numbers.",
    suggestions: "You could ask",
    choices: "Choices",
    sources: "Sources",
    newTab: " (opens in a new window)",
    typing: "Looking that up…",
    offline: "You are offline. Your messages are kept and will be sent when the connection is back.",
    reconnecting: "Connecting again…",
    waiting: "Waiting to be sent",
    failed: "Not sent",
    inReply: "In reply to: ",
    up: "Helpful",
    down: "Not helpful",
    rate: "Rate this answer",
    thanks: "Thank you for your rating.",
    comment: "What should be better? (optional)",
    commentSend: "Send comment",
    commentSkip: "No comment",
    commentThanks: "Comment received. Thank you.",
    image: "Picture for the answer",
    close: "Close the chat",
    problem: "Something went wrong; please try again in a moment.",
    position: "Share my position",
    photo: "Send a photo",
    positionWait: "Finding your position…",
    positionDenied: "The browser may not tell your position. You can describe the place in words.",
    positionFailed: "Your position could not be found. You can describe the place in words.",
    photoWait: "Uploading the photo…",
    photoSent: "📷 Photo",
  },
};

export const NAMES = { zh: "中文", en: "English" };
export const tag = (language) => (language === "zh" ? "zh-CN" : language || "");

const HAN = /\p{Script=Han}/u;
const LATIN_WORD = /\p{Script=Latin}{3}/u;

let current = "zh";
export const language = () => current;

export function t(key, values = {}) {
  return STRINGS[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// The language a text is written in, as far as its script tells; undefined for digits and emoji.
export function scriptOf(text) {
  if (HAN.test(text)) return "zh";
  return LATIN_WORD.test(text) ? "en" : undefined;
}

// A wish for the page's language goes along only where the text itself does not say otherwise.
export function wishFor(text) {
  const script = scriptOf(text);
  return script === undefined || script === current ? current : undefined;
}

// Marks an element so that a language switch updates it.
export function say(element, key, values) {
  element.dataset.i18n = key;
  element.i18nValues = values;
  element.textContent = t(key, values?.());
  return element;
}

export function label(element, key, values) {
  element.dataset.i18nLabel = key;
  element.i18nValues = values;
  element.setAttribute("aria-label", t(key, values?.()));
  return element;
}

export function translate(chosen, root = document) {
  current = chosen;
  document.documentElement.lang = tag(chosen);
  for (const element of root.querySelectorAll("[data-i18n]")) {
    element.textContent = t(element.dataset.i18n, element.i18nValues?.());
  }
  for (const element of root.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel, element.i18nValues?.()));
  }
  for (const element of root.querySelectorAll("[data-i18n-placeholder]")) {
    element.placeholder = t(element.dataset.i18nPlaceholder);
  }
}
