"""Texts of the layout, the forms and the errors: key → (Chinese, English)."""

from __future__ import annotations

TEXTS = {
    "console": ("工作台", "Staff console"),
    "skip": ("跳到正文", "Skip to content"),
    "menu": ("栏目", "Sections"),
    "language": ("语言", "Language"),
    "other_language": ("English", "中文"),
    "sign_out": ("退出登录", "Sign out"),
    "signed_in_as": ("当前用户", "Signed in as"),
    "save": ("保存", "Save"),
    "cancel": ("取消", "Cancel"),
    "back": ("返回", "Back"),
    "search": ("搜索", "Search"),
    "filter": ("筛选", "Filter"),
    "all": ("全部", "All"),
    "yes": ("是", "Yes"),
    "no": ("否", "No"),
    "none": ("无", "None"),
    "delete": ("删除", "Delete"),
    "download": ("下载", "Download"),
    "actions": ("操作", "Actions"),
    "when": ("时间", "When"),
    "who": ("谁", "Who"),
    "comment": ("备注", "Comment"),
    "nothing": ("没有内容。", "Nothing here."),
    "optional": ("选填", "optional"),
    "previous": ("上一页", "Previous"),
    "next": ("下一页", "Next"),
    "page_number": ("第 {number} 页", "Page {number}"),
    "zh": ("中文", "Chinese"),
    "en": ("英文", "English"),
    "citizen_page": ("市民聊天页", "Citizens' chat page"),
    "unsaved": (
        "您有尚未保存的修改，确定离开吗？",
        "You have changes that are not saved. Leave anyway?",
    ),
    "offline": (
        "请求失败：请检查网络后重试。已输入的内容仍保留在页面上。",
        "The request failed: check the connection and try again. What you typed is still on the page.",
    ),
    "ended_in_page": (
        "登录已过期。请在新窗口重新登录，再继续：已输入的内容仍保留在页面上。",
        "Your session has ended. Sign in again in a new window, then go on: what you typed is still on the page.",
    ),
    "sign_in_again": ("重新登录", "Sign in again"),
    # Roles
    "role.viewer": ("查看者", "Viewer"),
    "role.editor": ("编辑", "Editor"),
    "role.publisher": ("发布者", "Publisher"),
    "role.operator": ("坐席", "Operator"),
    "role.admin": ("管理员", "Administrator"),
    # What can be wrong with a form's field
    "invalid.summary": ("请改正以下内容：", "Please mend the following:"),
    "invalid.required": ("必填。", "This is needed."),
    "invalid.too_long": (
        "最多 {limit} 个字符，现有 {length} 个。",
        "At most {limit} characters; there are {length}.",
    ),
    "invalid.choice": ("请从列表中选择。", "Choose one of the list."),
    "invalid.number": ("请输入 {low} 到 {high} 之间的整数。", "Write a whole number from {low} to {high}."),
    "invalid.date": ("请按 2026-12-31 的格式填写日期。", "Write the date as 2026-12-31."),
    "invalid.time": ("请按 08:30 的格式填写时间。", "Write the time as 08:30."),
    "invalid.url": ("请填写以 https:// 开头的网址。", "Write a web address that starts with https://."),
    "invalid.file": ("请选择一个文件。", "Choose a file."),
    # Errors
    "error.400": ("请求无法读取", "The request cannot be read"),
    "error.400.text": (
        "发送的内容不是有效的 UTF-8 表单。请返回重试。",
        "What was sent is no valid form in UTF-8. Go back and try again.",
    ),
    "error.403": ("没有权限", "Not allowed"),
    "error.403.text": (
        "此操作需要更高的角色。如有需要，请联系管理员。",
        "This needs a higher role. Ask an administrator if you need it.",
    ),
    "error.404": ("找不到页面", "Page not found"),
    "error.404.text": ("该页面不存在或已被删除。", "There is no such page, or it was removed."),
    "error.405": ("不支持的操作", "Not possible"),
    "error.405.text": ("此地址不支持该操作。", "This address does not do that."),
    "error.413": ("内容太大", "Too large"),
    "error.413.text": (
        "发送的内容超过 {limit} MB。请返回（已输入的内容仍在页面上），缩短或拆分后再试。",
        "More than {limit} MB were sent. Go back (what you typed is still there), shorten or split it and try again.",
    ),
    "error.429": ("请稍候", "Please wait"),
    "error.429.text": ("尝试次数过多，请稍后再试。", "Too many attempts; try again in a moment."),
    "error.500": ("出错了", "Something went wrong"),
    "error.500.text": (
        "服务器内部错误，已记录。请重试；如反复出现，请把编号 {reference} 告诉管理员。",
        "An internal error was recorded. Try again; if it comes back, give the administrator the number {reference}.",
    ),
    "error.503": ("该功能未启用", "Not running"),
    "error.503.text": (
        "本页面所需的服务未启用。请联系管理员检查 city.yml。",
        "The service this page needs is not running. Ask an administrator to check city.yml.",
    ),
    "error.plain_http": ("需要安全连接", "A safe connection is needed"),
    "error.plain_http.text": (
        "工作台只接受本机访问或 HTTPS 访问，以免密码在网络上明文传输。请使用 https 地址；"
        "管理员也可在 city.yml 中设置 console.allow_plain_http。",
        "The console answers this machine or HTTPS only, so that no password crosses the network readably. "
        "Use the https address; an administrator may also set console.allow_plain_http in city.yml.",
    ),
    # Text kept when a session ended in the middle of editing
    "resume": ("您的内容已保留", "What you typed is kept"),
    "resume.text": (
        "登录在编辑过程中过期，以下内容尚未保存。请检查后继续提交。",
        "Your session ended while you were editing, and the following is not saved yet. Look it over, then send it again.",
    ),
    "resume.send": ("继续提交", "Send it again"),
}
