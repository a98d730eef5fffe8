"""Texts of the sign-in page and of one's own account."""

from __future__ import annotations

TEXTS = {
    "signin.title": ("登录", "Sign in"),
    "signin.name": ("用户名", "User name"),
    "signin.password": ("密码", "Password"),
    "signin.send": ("登录", "Sign in"),
    "signin.sso": ("使用统一身份认证登录", "Sign in with single sign-on"),
    "signin.wrong": ("用户名或密码不正确。", "The user name or the password is not right."),
    "signin.locked": (
        "尝试次数过多，请 {minutes} 分钟后再试。",
        "Too many attempts; try again in {minutes} minutes.",
    ),
    "signin.ended": (
        "登录已过期，请重新登录。您刚才输入的内容已保留。",
        "Your session has ended; sign in again. What you just typed is kept.",
    ),
    "signin.signed_out": ("您已退出登录。", "You are signed out."),
    "signin.sso_failed": (
        "统一身份认证未成功，请重试或联系管理员。",
        "Single sign-on did not succeed; try again or ask an administrator.",
    ),
    "signin.sso_refused": (
        "您的账号没有工作台权限，请联系管理员。",
        "Your account has no role in the console; ask an administrator.",
    ),
    "account.title": ("我的账号", "My account"),
    "account.role": ("角色", "Role"),
    "account.old": ("当前密码", "Present password"),
    "account.new": ("新密码（至少 10 个字符）", "New password (10 characters or more)"),
    "account.repeat": ("再次输入新密码", "New password again"),
    "account.change": ("修改密码", "Change the password"),
    "account.changed": (
        "密码已修改，其他登录均已退出。",
        "The password is changed; your other sessions have ended.",
    ),
    "account.differs": ("两次输入的新密码不一致。", "The two new passwords differ."),
    "account.wrong": ("当前密码不正确。", "This is not the present password."),
    "account.weak": (
        "密码须为 10–256 个字符，且不得包含用户名或仅为重复字符。",
        "Use 10 to 256 characters, without your user name or one repeated character.",
    ),
    "account.sso": (
        "您通过统一身份认证登录，密码在那里修改。",
        "You sign in with single sign-on; change your password there.",
    ),
}
